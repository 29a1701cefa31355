// Where emoji float, a bounded number of them, or none for those who want nothing to move.

import { make } from "./make.js";

const FLOATING_MAX = 40, BURSTS_MAX = 12, PER_TICK_MAX = 12;
const TICK_MS = 250, RISE_MS = 2_600;

const still = matchMedia("(prefers-reduced-motion: reduce)");

export class Sky {
  constructor(node) {
    this.node = node;
    this.bursts = 0;
  }

  get isStill() {
    return still.matches;
  }

  // [[emoji, how many], ...] of a tick: a share of each that is not nothing.
  float(counts) {
    if (this.isStill || document.hidden) return;
    const sum = counts.reduce((total, [, number]) => total + number, 0);
    const room = Math.min(PER_TICK_MAX, sum, FLOATING_MAX - this.node.childElementCount);
    for (const [emoji, number] of counts) {
      const share = Math.min(number, Math.ceil((number / sum) * room));
      for (let i = 0; i < share; i++) this.rise(emoji);
    }
  }

  rise(emoji) {
    if (this.node.childElementCount >= FLOATING_MAX) return;
    const node = make("span", { className: "floating" }, emoji);
    this.node.append(node);
    node.style.left = `${25 + Math.random() * 62}%`;
    const sway = (Math.random() - 0.5) * 60;
    const height = -this.node.clientHeight * (0.7 + Math.random() * 0.3);
    node.animate([
      { transform: "translate(0, 0) scale(0.4)", opacity: 0 },
      { transform: `translate(${sway / 2}px, ${height * 0.2}px)`, opacity: 1, offset: 0.15 },
      { transform: `translate(${-sway}px, ${height * 0.7}px) scale(1)`, opacity: 0.9, offset: 0.7 },
      { transform: `translate(${sway}px, ${height}px) scale(0.9)`, opacity: 0 },
    ], {
      duration: RISE_MS * (0.8 + Math.random() * 0.5), delay: Math.random() * TICK_MS,
      easing: "ease-out", fill: "backwards",
    }).onfinish = () => node.remove();
  }

  // A viewer's own: off the button that was pressed.
  burst(emoji, button) {
    if (this.isStill || this.bursts >= BURSTS_MAX) return;
    this.bursts++;
    const node = make("span", { className: "burst", "aria-hidden": "true" }, emoji);
    button.append(node);
    const sway = (Math.random() - 0.5) * 70;
    node.animate([
      { transform: "translate(-50%, -50%) scale(0.6)", opacity: 1 },
      { transform: `translate(calc(-50% + ${sway}px), -120px) scale(1.25)`, opacity: 0 },
    ], { duration: 900, easing: "ease-out" }).onfinish = () => {
      node.remove();
      this.bursts--;
    };
  }
}
