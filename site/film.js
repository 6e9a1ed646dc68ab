// The film of a training, as the slider shows it. Nothing of it is loaded before somebody asks for it.

/** @typedef {import("./widgets/slider.js").Slider} Slider */

const FRAME = 500; // ms

/** Offer to play the film. @param {HTMLElement} section with a button and a sentence for what goes wrong */
export function offerFilm(section) {
  const [button, said] = [section.querySelector("button"), section.querySelector("output")];
  let slider = /** @type {Slider | null} */ (null);
  let timer = 0;
  const end = () => clearInterval(timer);
  const open = async () => {
    slider = await load(section);
    slider.root.addEventListener("pointerdown", end); // now it is the visitor's
    slider.root.addEventListener("keydown", ({ key }) => key !== "Tab" && end());
    button.textContent = "Play it again";
  };
  const play = () => {
    let index = 0;
    end();
    slider.root.scrollIntoView();
    slider.move({ index });
    timer = window.setInterval(() => {
      slider.move({ index: ++index });
      if (index >= slider.sizes.index - 1) end();
    }, FRAME);
  };
  button.onclick = async () => {
    button.disabled = true;
    said.textContent = slider ? "" : "The film is loading.";
    try {
      if (!slider) await open();
      said.textContent = "";
      play();
    } catch {
      said.textContent = "The film can't be loaded: look at your connection, and try again.";
    }
    button.disabled = false;
  };
  section.hidden = false;
}

/** @param {HTMLElement} section @returns {Promise<Slider>} */
async function load(section) {
  const [response, { Slider }] = await Promise.all([fetch("film.json"), import("./widgets/slider.js")]);
  if (!response.ok) throw new Error(`film.json: ${response.status}`);
  const state = await response.json();
  const style = Object.assign(document.createElement("link"), { rel: "stylesheet", href: "widgets/widget.css" });
  await new Promise((resolve, reject) => {
    Object.assign(style, { onload: resolve, onerror: reject });
    document.head.append(style);
  }).catch((error) => {
    style.remove();
    throw error;
  });
  const set = (/** @type {string} */ name, /** @type {number} */ value) => (state[name] = value);
  const model = { get: (/** @type {string} */ name) => state[name], set, save_changes() {}, on() {}, off() {} };
  const slider = new Slider(model, section);
  slider.find("[value=side]").click(); // the drawing, and beside it what changes
  return slider;
}
