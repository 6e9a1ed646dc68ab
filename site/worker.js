// The worker that runs the network: the early layers once for a label map, the late ones for each λ.

import * as ort from "./ort/ort.wasm.bundle.min.mjs";

const WASM = "ort/ort-wasm-simd-threaded.wasm.gz";
const [EARLY, LATE] = ["model/early.onnx.gz", "model/late.onnx.gz"]; // the early one with coarse weights at first
const FINE = "model/early.fine.gz"; // what is to be added to its bytes
const CRITIC = "model/critic.onnx.gz"; // which is loaded when it is asked first

/** @typedef {import("./page.js").Packed} Packed */

/** @type {{early: ort.InferenceSession, late: ort.InferenceSession, features: Record<string, ort.Tensor>, size: number}} */
const network = { early: null, late: null, features: null, size: 0 };
const weights = { coarse: new Uint8Array(), fine: /** @type {Promise<ArrayBuffer>} */ (null) }; // of the early layers
/** @type {{session: ort.InferenceSession, source: ort.Tensor, image: ort.Tensor, position: number}} the last output, and its λ */
const critic = { session: null, source: null, image: null, position: -1 };
let files = /** @type {Record<string, Packed>} */ ({}); // of this build
let unkept = false; // whether no service worker keeps them yet

/** An error whose message is for the user. */
class Sentence extends Error {}

/** Load what the first output needs, and then what refines it.
 * @param {number} size of the images, in px @param {boolean} again whether what the browser keeps may be damaged
 */
async function load(size, again) {
  const total = [WASM, EARLY, LATE, FINE].reduce((sum, file) => sum + files[file].size, 0);
  let loaded = 0;
  let over = false;
  const progress = (bytes) => {
    loaded += bytes;
    if (!over) self.postMessage({ loaded, total });
  };
  const fetched = Promise.all([WASM, EARLY, LATE].map((file) => fetchOwn(file, progress, again)));
  const [wasm, early, late] = await fetched.catch((error) => {
    over = true; // other files may still come
    throw error;
  });
  weights.coarse = new Uint8Array(early);
  weights.fine = fetchOwn(FINE, progress, again);
  weights.fine.catch(() => {}); // refine tells
  Object.assign(ort.env.wasm, { wasmBinary: wasm, numThreads: 1 });
  network.size = size;
  [network.early, network.late] = [await start(EARLY, weights.coarse), await start(LATE, new Uint8Array(late))];
  (await translate(new Uint8Array(3 * size * size), 0)).close(); // the first one takes longer
}

/** Take the weights of the early layers in all their bits. @param {boolean} again whether to fetch the rest once more */
async function refine(again) {
  const { early } = network;
  let loaded = 0;
  const progress = (bytes) => self.postMessage({ loaded: (loaded += bytes), total: files[FINE].size });
  if (again) {
    progress(0); // it is seen at once
    weights.fine = fetchOwn(FINE, progress, again);
  }
  const fine = new Uint8Array(await weights.fine);
  const whole = weights.coarse.map((byte, i) => byte + fine[i]); // mod 256
  network.early = await start(EARLY, whole);
  await early.release();
  network.features = await network.early.run({ source: critic.source });
  Object.assign(weights, { coarse: null, fine: null });
  critic.position = -1; // that output was another network's
}

/** Fetch a file of this build, unpacked: not of another one, which may have taken its place meanwhile.
 * @param {string} file @param {(bytes: number) => void} progress called with what has come, packed @param {boolean} [again]
 */
async function fetchOwn(file, progress, again = false) {
  const { size, digest } = files[file];
  let count = 0;
  const bytes = await fetchUnpacked(file, again, (more) => {
    progress(Math.min(size, count + more) - Math.min(size, count)); // a server that unpacks it sends more
    count += more;
  });
  if (!self.crypto.subtle) return bytes; // the page did not come by https
  const found = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  if (digest === Array.from(found, (byte) => byte.toString(16).padStart(2, "0")).join("")) return bytes;
  throw new Sentence(`${file} is not that of this page: there may be a new version. Reload the page.`);
}

/** Fetch a file and unpack it; gzip's checksum tells if it is damaged. Some servers unpack it themselves. */
async function fetchUnpacked(file, again, progress) {
  const response = await fetch(file, { cache: again ? "reload" : "default" }).catch(() => null);
  const why = response ? `it was answered by ${response.status}` : "there was no answer";
  if (!response?.ok) throw new Sentence(`${file} can't be loaded: ${why}. Is there a network?`);
  const chunks = [];
  const count = new WritableStream({
    write(chunk) {
      chunks.push(chunk);
      progress(chunk.length);
    },
  });
  try {
    await response.body.pipeTo(count);
    const packed = new Blob(chunks);
    // There the service worker finds it, which comes later, also where the browser's own cache is too small.
    if (unkept && file !== CRITIC) await caches.open("pix2pix-colab loaded").then((cache) => cache.put(file, new Response(packed))).catch(() => {});
    const [first, second] = new Uint8Array(await packed.slice(0, 2).arrayBuffer());
    if (first !== 0x1f || second !== 0x8b) return await packed.arrayBuffer();
    return await new Response(packed.stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
  } catch {
    throw new Sentence(`${file} is damaged or was cut off.`);
  }
}

/** @param {string} file @param {Uint8Array} bytes */
function start(file, bytes) {
  return ort.InferenceSession.create(bytes).catch(() => {
    throw new Sentence(`${file} is no network that this page can run.`);
  });
}

/** @param {Uint8Array | null} source the label map in three planes; null: the same as before @param {number} position */
async function translate(source, position) {
  const { early, late, size } = network;
  if (source) {
    network.features = null; // also if the run fails
    critic.source = new ort.Tensor("uint8", source, [1, 3, size, size]);
    network.features = await early.run({ source: critic.source });
  }
  const at = new ort.Tensor("float32", new Float32Array([position]), [1]);
  const { output } = await late.run({ ...network.features, position: at });
  Object.assign(critic, { image: output, position });
  return createImageBitmap(new ImageData(interleave(/** @type {Uint8Array} */ (output.data), output.dims[1]), size));
}

/** The discriminator's verdicts on the output at a position, of which the page has its own copy: 255 is real. */
async function judge(position) {
  if (critic.position !== position) (await translate(null, position)).close();
  const { source, image } = critic;
  critic.session ??= await start(CRITIC, new Uint8Array(await fetchCritic(false).catch(() => fetchCritic(true))));
  const { real } = await critic.session.run({ source, image });
  return Uint8Array.from(/** @type {Float32Array} */ (real.data), (each) => Math.round(255 * each));
}

const fetchCritic = (again) => fetchOwn(CRITIC, () => {}, again);

/** Planes of grey or colour as a canvas takes them: RGBA. */
function interleave(planes, channels) {
  const count = planes.length / channels;
  const pixels = new Uint8ClampedArray(4 * count).fill(255);
  for (let i = 0; i < count; i++) {
    for (let channel = 0; channel < 3; channel++) pixels[4 * i + channel] = planes[(channel % channels) * count + i];
  }
  return pixels;
}

self.onmessage = async ({ data: { number, files: own, unkept: first, size, again, refined, judged, source, position } }) => {
  try {
    if (own) [files, unkept] = [own, first];
    const run = () => (judged ? judge(position) : translate(source, position));
    const result = await (own ? load(size, again) : refined ? refine(again) : run());
    self.postMessage({ number, result }, result instanceof ImageBitmap ? [result] : []);
  } catch (error) {
    const other = "The network can't be run: the browser may have too little memory, or there is a new version of this page. Reload it.";
    self.postMessage({ number, error: error instanceof Sentence ? error.message : other });
  }
};
