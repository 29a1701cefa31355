// The form for a new poll, quiz question or prediction.

import { icon, make } from "../shared/make.js";

const CHOICES_MIN = 2, CHOICES_MAX = 32, CHOICE_LENGTH_MAX = 120;

export class PollForm {
  // `create(poll, opens)` makes it, and opens it if that is wanted.
  constructor(dialog, create) {
    this.dialog = dialog;
    this.form = dialog.querySelector("form");
    this.list = dialog.querySelector(".options ol");
    this.problem = dialog.querySelector(".problem");
    this.create = create;
    this.form.addEventListener("change", () => this.adapt());
    this.form.addEventListener("submit", (event) => this.submit(event));
    dialog.querySelector(".add").addEventListener("click", () => this.add().focus());
    dialog.querySelector(".no").addEventListener("click", () => dialog.close());
  }

  open() {
    this.form.reset();
    this.list.replaceChildren();
    this.problem.textContent = "";
    for (let i = 0; i < CHOICES_MIN; i++) this.add();
    this.adapt();
    this.dialog.showModal();
    this.form.elements.title.focus();
  }

  // Another choice: its field.
  add() {
    const text = make("input", {
      className: "choice-text", maxLength: CHOICE_LENGTH_MAX, required: true,
    });
    const right = make("input", {
      type: "checkbox", className: "quiz-only right", "aria-label": "Right",
    });
    const remove = make("button", {
      type: "button", className: "bare", "aria-label": "Remove this choice",
    }, icon("cross"));
    const row = make("li", {}, right, text, remove);
    remove.addEventListener("click", () => {
      row.remove();
      this.adapt();
    });
    this.list.append(row);
    this.adapt();
    return text;
  }

  // What belongs to another kind is not there.
  adapt() {
    const isQuiz = this.form.elements.kind.value === "quiz";
    for (const node of this.form.querySelectorAll(".quiz-only")) node.hidden = !isQuiz;
    for (const node of this.form.querySelectorAll(".not-quiz")) node.hidden = isQuiz;
    this.form.elements.window.disabled = !isQuiz;
    this.form.elements.most.max = this.rows.length;
    for (const [place, row] of this.rows.entries()) {
      row.querySelector(".choice-text").setAttribute("aria-label", `Choice ${place + 1}`);
      row.querySelector("button").hidden = this.rows.length <= CHOICES_MIN;
    }
    this.dialog.querySelector(".add").hidden = this.rows.length >= CHOICES_MAX;
  }

  get rows() {
    return [...this.list.children];
  }

  async submit(event) {
    event.preventDefault();
    const opens = event.submitter?.value === "open";
    try {
      await this.create(this.read(), opens);
      this.dialog.close();
    } catch (error) {
      this.problem.textContent = error.message;
    }
  }

  // The body of poll_create.
  read() {
    const { kind, title, most, duration, visible, window, scoring, final } = this.form.elements;
    const poll = {
      kind: kind.value, title: title.value.trim(), visible: visible.value, final: final.checked,
      choices: this.rows.map((row) => row.querySelector(".choice-text").value.trim()),
      duration_ms: Number(duration.value),
    };
    if (kind.value !== "quiz") return { ...poll, most: Number(most.value) };
    const answer = this.rows.reduce(
      (mask, row, place) => mask | (row.querySelector(".right").checked << place), 0,
    );
    const right = this.rows.filter((row) => row.querySelector(".right").checked).length;
    return {
      ...poll, most: Math.max(1, right), scoring: scoring.value,
      window_ms: Number(window.value) * 1000, answer: answer || null,
    };
  }
}
