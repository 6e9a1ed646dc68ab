// The service worker: keeps all files of one build, so that the page works without a network. A new build replaces it.

const PREFIX = "pix2pix-colab ";
const BUILD = `${PREFIX}{{build}}`;
const FILES = JSON.parse('{{files}}');

self.oninstall = (event) => {
  event.waitUntil(caches.open(BUILD).then((cache) => cache.addAll(FILES)));
};

const drop = (name) => (name.startsWith(PREFIX) && name !== BUILD ? caches.delete(name) : false);

self.onactivate = (event) => {
  event.waitUntil(caches.keys().then((names) => Promise.all(names.map(drop))));
};

self.onfetch = (event) => {
  if (event.request.method !== "GET" || !event.request.url.startsWith(self.registration.scope)) return;
  const kept = caches.open(BUILD).then((cache) => cache.match(event.request, { ignoreSearch: true }));
  event.respondWith(kept.then((response) => response ?? fetch(event.request)));
};
