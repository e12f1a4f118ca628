/* -- how the timeline looks: one line or in full, the slider, the line beside it, the server's words -------- */

extend(Timeline, {
  expand(on) {
    this.hub.memory.timelineOpen = on;
    this.element.classList.toggle("wb-open", on);
    this.details.element.hidden = !on;
    this.toggle.replaceChildren(icon(on ? "opened" : "shut"));
    this.toggle.setAttribute("aria-expanded", String(on));
    const label = this.hub.t(on ? "timelineShut" : "timelineOpen");
    for (const name of ["title", "aria-label"]) this.toggle.setAttribute(name, label);
    if (on) this.details.show();
  },

  /** The slider and the line beside it, from what is known here. */
  paint() {
    const { t } = this.hub;
    const { count } = this.moments;
    const on = this.at !== null;
    this.element.classList.toggle("wb-travelling", on);
    this.leaveButton.hidden = !on;
    this.track.style.setProperty("--at", on ? (this.at + 0.5) / count : 1);
    const about = on ? this.about() : null;
    this.track.setAttribute("aria-valuenow", String(on ? this.at + 1 : count));
    this.track.setAttribute("aria-valuetext", on ? this.nameOf(about) : t("whole", { n: count }));
    this.now.replaceChildren(...(on ? this.line(about) : [h("span", { class: "wb-quiet" }, t("whole", { n: count }))]));
    this.details.show();
  },

  /** What is known of the moment: by the server if it has told, else by the sites. */
  about() {
    return this.moments.site(this.at) ?? (this.told?.at === this.at ? this.told : null);
  },

  /** As in "op 12 of 340: linear, encoder.layers.0". */
  nameOf(about) {
    const { t } = this.hub;
    const { counts, count } = this.moments.data;
    if (!about) return `${this.at + 1} / ${count}`;
    const own = about.kind in counts;
    const name = t("momentName", { what: t(`moment.${about.kind}`), title: about.title,
      n: own ? about.id + 1 : this.at + 1, all: own ? counts[about.kind] : count });
    return about.module ? t("momentIn", { name, module: about.module }) : name;
  },

  line(about) {
    const { t } = this.hub;
    const place = `${(this.at + 1).toLocaleString("en")} / ${this.moments.count.toLocaleString("en")}`;
    if (!about) return [h("span", { class: "wb-place" }, place)];
    const frame = about.stack?.[0];
    return [h("span", { class: "wb-place" }, place),
      h("span", { class: `wb-lane wb-lane-${about.phase}`, title: t(`lane.${about.phase}`) }),
      h("strong", {}, about.title), about.flags & SITE_FLAGS.failed ? h("span", { class: "wb-flag" }, `✕ ${t("mark.failed")}`) : "",
      about.flags & SITE_FLAGS.nonfinite ? h("span", { class: "wb-flag" }, `▲ ${t("mark.nonfinite")}`) : "",
      this.ending(about),
      about.module ? h("code", { title: about.module }, about.module) : "",
      frame ? this.link(frame) : ""];
  },

  /** At the last moment of a run that failed elsewhere than in an op: how it ended. */
  ending({ flags }) {
    const { failure, count } = this.moments.data;
    if (!failure || this.at < count - 1 || flags & SITE_FLAGS.failed) return "";
    const text = this.hub.t("endedWith", { failure });
    return h("span", { class: "wb-flag wb-ending", title: text }, `✕ ${text}`);
  },

  /** A button that shows a line in the source. */
  link(frame) {
    return h("button", { type: "button", class: "wb-link", title: `${frame.path}:${frame.line}`, onclick: () => this.hub.openSource(frame) },
      `${frame.file}:${frame.line}`);
  },

  async fetchDetails() {
    if (!this.hub.can("moment") || this.at === null) return;
    const number = (this.asked += 1);
    try {
      const told = await this.hub.ask("moment", { at: this.at });
      if (number !== this.asked) return; // another moment was gone to since
      this.told = told;
      if (!this.moments.whole) {
        this.paint();
        this.later.show(told.done);
        this.select(told);
      }
      this.details.show();
    } catch (error) {
      if (number === this.asked) this.details.fail(error.message);
    }
  },
});
