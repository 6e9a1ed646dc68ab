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
  const { request } = event;
  if (request.method !== "GET" || !request.url.startsWith(self.registration.scope)) return;
  event.respondWith(request.mode === "navigate" ? page(request) : keptOr(() => fetch(request), request));
};

async function keptOr(other, request) {
  const cache = await caches.open(BUILD);
  return (await cache.match(request, { ignoreSearch: true })) ?? other();
}

/** This build's page, which fits its other files, also if a newer one is there; but not if a foreign page is at this address by now. */
async function page(request) {
  const fetched = await fetch(request).catch(() => null);
  const ours = !fetched || (await fetched.clone().text()).includes('content="pix2pix-colab"');
  return ours ? keptOr(() => fetched ?? Response.error(), request) : fetched;
}
