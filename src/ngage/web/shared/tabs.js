// Tabs over panels, one of which is shown. On a wide screen some panels stand beside the others and
// have no tab.

const nameOf = (tab) => tab.id.slice("tab-".length);

export class Tabs {
  // `wide`: a media query; `beside`: the names of the panels that then have no tab.
  constructor(node, wide, beside) {
    this.node = node;
    this.wide = matchMedia(wide);
    this.beside = beside;
    this.tabs = [...node.querySelectorAll("[role=tab]")];
    this.hidden = new Set();
    this.selected = nameOf(this.tabs[0]);
    for (const tab of this.tabs) tab.addEventListener("click", () => this.select(nameOf(tab)));
    node.addEventListener("keydown", (event) => this.move(event));
    this.wide.addEventListener("change", () => this.render());
    this.render();
  }

  // The names of the panels that there are.
  offer(names) {
    this.hidden = new Set(this.tabs.map(nameOf).filter((name) => !names.includes(name)));
    this.render();
  }

  get choices() {
    const hasTab = (name) => !this.hidden.has(name) && !this.standsBeside(name);
    return this.tabs.filter((tab) => hasTab(nameOf(tab)));
  }

  standsBeside(name) {
    return this.wide.matches && this.beside.includes(name);
  }

  get shown() {
    const names = this.choices.map(nameOf);
    return names.includes(this.selected) ? this.selected : names[0];
  }

  select(name) {
    this.selected = name;
    this.render();
  }

  // Something new in a panel: a dot, where it is not in sight.
  tell(name) {
    if (name === this.shown || this.standsBeside(name)) return;
    document.getElementById(`tab-${name}`).classList.add("news");
  }

  move(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    const { choices } = this;
    const now = choices.indexOf(document.activeElement);
    const next = choices[(now + step + choices.length) % choices.length];
    this.select(nameOf(next));
    next.focus();
  }

  render() {
    const { choices, shown } = this;
    this.node.hidden = choices.length < 2;
    for (const tab of this.tabs) {
      const name = nameOf(tab);
      const isShown = name === shown;
      const panel = document.getElementById(name);
      const standsBeside = this.standsBeside(name);
      tab.hidden = !choices.includes(tab);
      tab.setAttribute("aria-selected", isShown);
      tab.tabIndex = isShown ? 0 : -1;
      panel.hidden = this.hidden.has(name) || !(isShown || standsBeside);
      panel.setAttribute("role", choices.length > 1 && !standsBeside ? "tabpanel" : "region");
      if (isShown) tab.classList.remove("news");
    }
  }
}
