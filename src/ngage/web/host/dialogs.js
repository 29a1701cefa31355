// Asks before what cannot be taken back, and says what became of it.

import { make, write } from "../shared/make.js";

const TOAST_MS = 4_000;

const element = (id) => document.getElementById(id);

// Whether to go on. With `choices` (texts) the answer is a mask of those picked, `picked` at first,
// of which there may be `most`, and nothing goes on without one.
export function ask({
  title, text = "", yes, no = "Cancel", choices = null, picked = 0, most = 1,
}) {
  const dialog = element("confirm");
  const fieldset = dialog.querySelector("fieldset");
  write(element("confirm-title"), title);
  write(dialog.querySelector(".text"), text);
  write(dialog.querySelector(".yes"), yes);
  write(dialog.querySelector(".no"), no);
  fieldset.hidden = !choices;
  write(fieldset.querySelector("legend"), choices ? "What is right?" : "");
  const inputs = (choices ?? []).map((_, place) => make("input", {
    type: most > 1 ? "checkbox" : "radio", name: "answer", checked: Boolean(picked & (1 << place)),
  }));
  fieldset.querySelector("div").replaceChildren(
    ...inputs.map((input, place) => make("label", { className: "check" }, input, choices[place])),
  );
  const mask = () => inputs.reduce((sum, input, place) => sum | (input.checked << place), 0);
  const check = () => {
    dialog.querySelector(".yes").disabled = Boolean(choices) && !mask();
  };
  fieldset.onchange = check;
  check();
  dialog.returnValue = "";
  dialog.showModal();
  dialog.querySelector(".no").focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      const goesOn = dialog.returnValue === "yes";
      resolve(choices ? (goesOn ? mask() : null) : goesOn);
    }, { once: true });
  });
}

let timer;

export function tell(text, tone = "") {
  const toast = element("toast");
  write(toast, text);
  toast.dataset.tone = tone;
  toast.hidden = false;
  clearTimeout(timer);
  timer = setTimeout(() => {
    toast.hidden = true;
  }, TOAST_MS);
}
