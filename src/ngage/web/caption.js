// Shows the text of a cue, { "text": "..." }, over the picture for as long as it takes to read.

const SHOWN_MS = 5_000;

export function captionCues(stage, caption) {
  let timer;
  stage.addEventListener("cue", ({ detail: { data } }) => {
    if (typeof data?.text !== "string") return;
    caption.textContent = data.text;
    clearTimeout(timer);
    timer = setTimeout(() => {
      caption.textContent = "";
    }, SHOWN_MS);
  });
}
