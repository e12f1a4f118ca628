/* -- Source: where a workbench asks for what it does not hold ------------------------------------- */

Object.assign(LABELS, {
  drawing: "Drawing …", drawingOps: "Drawing {count} ops …", cancel: "Cancel", notDrawn: "The drawing was cancelled.", offline: "The server does not answer. Is it still running?", retry: "Try again",
});

const BUSY_AFTER = 250; // ms; what is quicker shows no sign that it works

/** Asks the server questions about one recording. `url` ends with its unguessable name. */
class Source {
  constructor(url, hub) {
    this.url = url;
    this.hub = hub;
    this.controllers = new Map();
    this.client = Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join("");
    this.number = 0;
  }

  /** Whether it answers a question. */
  can() {
    return true;
  }

  /** The answer to a question. Rejects with an Error whose message is for people; `lost` says that the
   * server has forgotten the recording. A refusal is an answer, too: not an error of the network. */
  async ask(question, asked = {}, { signal } = {}) {
    return this.accepted(await this.read(await this.post(question, asked, signal)));
  }

  /** An answer as JSON. A proxy whose server has just ended answers with a page of its own, or nothing. */
  async read(response) {
    try {
      return await response.json();
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Error(this.hub.t("offline"));
    }
  }

  accepted(found) {
    if (found.error !== undefined) throw Object.assign(new Error(found.error), { lost: Boolean(found.lost) });
    return found;
  }

  /** As `ask`; a question that is still open under the same name is dropped: its AbortError can be ignored.
   * The server hears who asks and how often, and stops working on what is no longer waited for. */
  askLatest(name, question, asked) {
    this.controllers.get(name)?.abort();
    const controller = new AbortController();
    this.controllers.set(name, controller);
    this.number += 1;
    return this.ask(question, { ...asked, client: this.client, number: this.number }, { signal: controller.signal });
  }

  /** Drop the question that is open under a name, and have the server stop working on it. */
  cancel(name) {
    this.controllers.get(name)?.abort();
    this.post("cancel", { client: this.client, number: this.number }).catch(() => {}); // it ends by itself, too
  }

  /** Save what a question answers with as a file. */
  async save(asked) {
    const response = await this.post("file", asked);
    if (response.headers.get("content-type")?.startsWith("application/json")) this.accepted(await this.read(response));
    const name = /filename="([^"]+)"/.exec(response.headers.get("content-disposition") || "")?.[1] ?? "graph";
    saveBlob(await response.blob(), name);
  }

  async post(question, asked, signal) {
    try {
      return await fetch(`${this.url}/${question}`,
        { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(asked), signal });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Error(this.hub.t("offline"));
    }
  }

  close() {
    for (const controller of this.controllers.values()) controller.abort();
  }
}

/** Have the browser save a file. */
function saveBlob(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = h("a", { href: url, download: name });
  document.body.append(link); // Firefox follows only links that are in the page
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** A line over the workbench that says that something works, or failed. */
class Notice {
  constructor(hub) {
    this.hub = hub;
    this.text = h("span", {});
    this.again = button(hub.t("retry"), hub.t("retry"), () => this.retry?.(), { hidden: true });
    this.stop = button(hub.t("cancel"), hub.t("cancel"), () => this.cancel?.(), { hidden: true });
    this.close = button("×", hub.t("close"), () => this.hide());
    this.element = h("div", { class: "wb-notice", role: "status", hidden: true }, this.text, this.again, this.stop, this.close);
  }

  /** Say that something works, once it takes longer than a moment. `cancel` ends it. */
  busy(text, cancel = null) {
    clearTimeout(this.timer);
    this.cancel = cancel;
    this.timer = setTimeout(() => this.show(text, { failed: false }), BUSY_AFTER);
  }

  fail(text, retry = null) {
    clearTimeout(this.timer);
    this.retry = retry;
    this.show(text, { failed: true });
  }

  show(text, { failed }) {
    this.text.textContent = text;
    this.element.classList.toggle("wb-failed", failed);
    this.again.hidden = !failed || !this.retry;
    this.stop.hidden = failed || !this.cancel;
    this.close.hidden = !failed;
    this.element.hidden = false;
  }

  hide() {
    clearTimeout(this.timer);
    this.element.hidden = true;
  }
}
