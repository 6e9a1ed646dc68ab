// The service worker: keeps all files of one build, so that the page works without a network. A new build replaces it.

const PREFIX = "pix2pix-colab ";
const BUILD = `${PREFIX}{{build}}`;
const FILES = JSON.parse('{{files}}'); // the digest of each; of a packed one, of what is in it

self.oninstall = (event) => {
  self.skipWaiting(); // the page says that there is a new version
  event.waitUntil(Promise.all(Object.keys(FILES).map(install)));
};

/** Keep a file of this build. What an older build or the browser has is not asked for again, if it is the same. */
async function install(file) {
  const load = (/** @type {RequestCache} */ cache) => fetch(file, { cache });
  const held = (await keep(file, await caches.match(file))) || (await keep(file, await load("force-cache")));
  if (!held && !(await keep(file, await load("reload")))) throw new Error(`${file} is not that of this build.`);
}

/** Keep what was found of a file, if it is that of this build. @param {string} file @param {Response | undefined} found */
async function keep(file, found) {
  const digest = found && (await digestOf(await found.clone().arrayBuffer()).catch(() => "")); // damaged
  const own = Boolean(digest) && digest === FILES[file];
  if (own) await (await caches.open(BUILD)).put(file, found.clone());
  return own;
}

/** Of what is in a file: some servers unpack .gz by themselves. */
async function digestOf(bytes) {
  const [first, second] = new Uint8Array(bytes);
  const packed = first === 0x1f && second === 0x8b;
  const whole = packed ? await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer() : bytes;
  const found = new Uint8Array(await crypto.subtle.digest("SHA-256", whole));
  return Array.from(found, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const drop = (name) => (name.startsWith(PREFIX) && name !== BUILD ? caches.delete(name) : false);

self.onactivate = (event) => {
  const dropped = caches.keys().then((names) => Promise.all(names.map(drop)));
  event.waitUntil(Promise.all([dropped, self.clients.claim()])); // a page of a first visit, too, is answered from here
};

self.onfetch = (event) => {
  const { request } = event;
  if (request.method !== "GET" || !request.url.startsWith(self.registration.scope)) return;
  if (request.mode === "navigate") event.respondWith(page(request));
  else event.respondWith(request.cache === "reload" ? renew(request) : keptOr(() => fetch(request), request));
};

/** What is loaded anew, since what is kept may be damaged. */
async function renew(request) {
  const response = await fetch(request).catch(() => null);
  if (!response) return keptOr(() => Response.error(), request);
  await keep(request.url.slice(self.registration.scope.length), response);
  return response;
}

async function keptOr(other, request) {
  const cache = await caches.open(BUILD);
  return (await cache.match(request, { ignoreSearch: true })) ?? other();
}

/** This build's page, which fits its other files, also if a newer one is there; but not if a foreign page is at this address by now. */
async function page(request) {
  const fetched = await fetch(request).catch(() => null);
  const ours = !fetched || (await fetched.clone().text()).includes('content="pix2pix-colab"');
  return ours ? keptOr(() => fetched ?? Response.error(), "./") : fetched;
}
