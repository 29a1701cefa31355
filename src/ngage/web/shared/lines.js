// A list that grows at its end and keeps to it, unless its reader has scrolled back.

const NEAR_PX = 60;

export class Lines {
  constructor(node, newer, max) {
    this.node = node;
    this.newer = newer;
    this.max = max;
    this.follows = true;
    node.addEventListener("scroll", () => {
      this.follows = node.scrollHeight - node.scrollTop - node.clientHeight < NEAR_PX;
      if (this.follows) newer.hidden = true;
    });
    newer.addEventListener("click", () => this.toEnd());
    new ResizeObserver(() => this.follows && this.toEnd()).observe(node);
  }

  append(line) {
    const { node, follows } = this;
    node.append(line);
    while (node.childElementCount > this.max) node.firstElementChild.remove();
    if (follows) this.toEnd();
    else this.newer.hidden = false;
  }

  toEnd() {
    this.node.scrollTop = this.node.scrollHeight;
    this.follows = true;
    this.newer.hidden = true;
  }
}
