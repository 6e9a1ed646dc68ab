// The service worker: keeps all files of one build, so that the page works without a network. A new build replaces it.

const PREFIX = "pix2pix-colab ";
const BUILD = `${PREFIX}{{build}}`;
const FILES = JSON.parse('{{files}}');

self.oninstall = (event) => {
  self.skipWaiting(); // the page says that there is a new version
  const fresh = FILES.map((file) => new Request(file, { cache: "no-cache" })); // none of an older build
  event.waitUntil(caches.open(BUILD).then((cache) => cache.addAll(fresh)));
};

const drop = (name) => (name.startsWith(PREFIX) && name !== BUILD ? caches.delete(name) : false);

self.onactivate = (event) => {
  event.waitUntil(caches.keys().then((names) => Promise.all(names.map(drop))));
};

self.onfetch = (event) => {
  if (event.request.method !== "GET" || !event.request.url.startsWith(self.registration.scope)) return;
  const kept = caches.open(BUILD).then((cache) => cache.match(event.request, { ignoreSearch: true }));
  const either = () => kept.then((response) => response ?? fetch(event.request));
  // The page itself comes from the network if there is one: another page may stand at this address by now.
  event.respondWith(event.request.mode === "navigate" ? fetch(event.request).catch(either) : either());
};
