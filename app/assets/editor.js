/* A code editor: Ace, or a plain text field where its files do not come.

   The text lives here. Python gets it as {version, text} when the typing rests, when the field is
   left, and at Ctrl+Enter, and replaces it by sending another `version`.

   The tab keeps it, too: of two messages that come close together Streamlit drops the state in the
   first when the second leads to another page, and a session ends with a reload or its server. */

const REST = 800; // ms without a key
const THEMES = { light: "ace/theme/github_light_default", dark: "ace/theme/github_dark" };
const KNOWN = new WeakMap();

/** Ace's own script, loaded once for the page. */
function loaded(files) {
  window.__inspectorAce ??= new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = `${files}/ace.js`;
    script.onload = () => {
      window.ace.config.set("basePath", files);
      done(window.ace);
    };
    script.onerror = () => {
      window.__inspectorAce = undefined;
      failed(new Error("ace.js did not come"));
    };
    document.head.append(script);
  });
  return window.__inspectorAce;
}

/** "light" or "dark", as the background is that the component stands on. */
function themeOf(box) {
  const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  probe.fillStyle = getComputedStyle(box).backgroundColor;
  probe.fillRect(0, 0, 1, 1);
  const [red, green, blue] = probe.getImageData(0, 0, 1, 1).data;
  return 0.3 * red + 0.6 * green + 0.1 * blue < 110 ? "dark" : "light";
}

/** A short mark of a text, to know it again. */
function markOf(text) {
  let mark = text.length;
  for (let at = 0; at < text.length; at += 1) mark = (mark * 31 + text.charCodeAt(at)) | 0;
  return mark;
}

/** What was typed into one document, kept by the tab, and marks of the texts it came from. */
class Kept {
  constructor(document) {
    this.place = `inspector-editor/${document}`;
    try {
      Object.assign(this, JSON.parse(sessionStorage.getItem(this.place)));
    } catch { /* what stands there is not ours, or the browser keeps nothing */ }
    if (typeof this.text !== "string" || !Array.isArray(this.seen)) this.begin();
  }

  begin() { Object.assign(this, { text: null, seen: [] }); }

  /** Whether what is kept was typed into a text. */
  follows(text) { return this.text !== null && this.seen.includes(markOf(text)); }

  /** Python has a text: the first it had and the last ones are known again. */
  had(text) {
    const mark = markOf(text);
    if (this.seen.includes(mark)) return;
    this.seen = [...this.seen.slice(0, 1), ...this.seen.slice(1).slice(-30), mark];
  }

  keep(text) {
    this.text = text;
    try {
      sessionStorage.setItem(this.place, JSON.stringify({ text, seen: this.seen }));
    } catch { /* full, or forbidden */ }
  }

  forget() {
    this.begin();
    try { sessionStorage.removeItem(this.place); } catch { /* forbidden */ }
  }
}

/** What both kinds of field do: tell Python of the text. */
class Field {
  constructor(parent) {
    this.box = document.createElement("div");
    this.box.className = "editor";
    parent.append(this.box);
    this.version = null;
    this.told = null;
    this.timer = 0;
    this.box.addEventListener("focusout", () => this.tell());
  }

  typed() {
    this.kept.keep(this.text());
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.tell(), REST);
  }

  tell() {
    clearTimeout(this.timer);
    const text = this.text();
    if (text === this.told || this.readOnly) return;
    this.told = text;
    this.kept.had(text);
    this.kept.keep(text);
    this.send({ version: this.version, text });
  }

  /** The text that Python wants, if it is another one than before. */
  take(data) {
    this.box.style.height = data.height;
    if (data.version !== this.version) {
      const fresh = this.version === null;
      if (!fresh) this.tell(); // what was typed last into the text that goes
      this.version = data.version;
      this.told = fresh ? data.typed : data.code;
      const text = this.recall(data, fresh);
      this.put(text);
      if (text !== this.told) this.tell();
    }
    this.readOnly = data.readOnly;
    this.allow(!data.readOnly);
    this.name(data.label);
    const errors = JSON.stringify([data.version, data.errors]);
    if (errors !== this.errors) {
      this.errors = errors;
      // They are of the text that Python knows: whoever types on is not carried off to them.
      this.mark(this.text() === this.told ? data.errors : []);
    }
  }

  /** What a field begins with: a new one with what the tab kept, if Python has not heard of it. */
  recall(data, fresh) {
    this.kept = new Kept(data.document);
    const text = this.told;
    const follows = this.kept.follows(text) && !data.readOnly;
    if (!follows || (!fresh && this.kept.text !== text)) this.kept.forget();
    this.kept.had(text);
    return this.kept.text ?? text;
  }

  run() {
    if (this.readOnly) return;
    this.tell();
    this.start();
  }
}

class AceField extends Field {
  constructor(parent, ace, data) {
    super(parent);
    const host = document.createElement("div");
    host.className = "ace";
    this.box.append(host);
    ace.config.setMessages(data.messages);
    this.Range = ace.require("ace/range").Range;
    this.editor = ace.edit(host, {
      mode: "ace/mode/python", theme: THEMES[themeOf(this.box)], useWorker: false,
      tabSize: 4, useSoftTabs: true, showPrintMargin: false, enableKeyboardAccessibility: true,
      fontSize: 13, scrollPastEnd: 0, displayIndentGuides: true, showFoldWidgets: false,
    });
    this.editor.renderer.attachToShadowRoot();
    this.editor.renderer.setPadding(6);
    this.editor.commands.addCommand({
      name: "run", bindKey: { win: "Ctrl-Enter", mac: "Command-Enter|Ctrl-Enter" },
      exec: () => this.run(),
    });
    this.marked = [];
    this.editor.on("change", () => {
      if (this.placing) return;
      this.mark([]);
      this.typed();
    });
  }

  text() { return this.editor.getValue(); }
  name(label) { this.editor.textInput.getElement().setAttribute("aria-label", label); }

  allow(typing) {
    this.editor.setReadOnly(!typing);
    this.editor.setHighlightActiveLine(typing);
    this.editor.setHighlightGutterLine(typing);
  }

  put(code) {
    this.placing = true;
    this.editor.session.setValue(code); // with a new history: an undo does not bring the old code
    this.placing = false;
  }

  mark(errors) {
    const { session } = this.editor;
    this.marked.forEach((marker) => session.removeMarker(marker));
    const rows = errors.filter(([line]) => line >= 1 && line <= session.getLength());
    this.marked = rows.map(([line]) =>
      session.addMarker(new this.Range(line - 1, 0, line - 1, 1), "wrong", "fullLine"));
    session.setAnnotations(rows.map(([line, text]) =>
      ({ row: line - 1, column: 0, text, type: "error" })));
    if (rows.length) this.editor.scrollToLine(rows[0][0] - 1, true, false);
  }

  look() { this.editor.setTheme(THEMES[themeOf(this.box)]); }

  end() {
    clearTimeout(this.timer);
    this.editor.destroy();
    this.box.remove();
  }
}

class PlainField extends Field {
  constructor(parent) {
    super(parent);
    this.area = document.createElement("textarea");
    this.area.spellcheck = false;
    this.note = document.createElement("div");
    this.note.className = "note";
    this.box.append(this.area, this.note);
    this.area.addEventListener("input", () => { this.mark([]); this.typed(); });
    this.area.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.run();
    });
  }

  text() { return this.area.value; }
  name(label) { this.area.setAttribute("aria-label", label); }
  allow(typing) { this.area.readOnly = !typing; }
  put(code) { this.area.value = code; }
  mark(errors) { this.note.textContent = errors.map(([line, text]) => `${line}: ${text}`).join("\n"); }
  look() {}
  end() { clearTimeout(this.timer); this.box.remove(); }
}

async function begin(state) {
  try {
    const ace = await loaded(state.data.files);
    if (!state.ended) state.field = new AceField(state.parent, ace, state.data);
  } catch {
    if (!state.ended) state.field = new PlainField(state.parent);
  }
  if (!state.ended) update(state);
}

function update(state) {
  const { field, data, setStateValue, setTriggerValue } = state;
  if (!field) return;
  field.send = (text) => setStateValue("text", text);
  field.start = () => setTriggerValue("run", true);
  field.look();
  field.take(data);
}

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  let state = KNOWN.get(parentElement);
  const fresh = !state;
  if (fresh) KNOWN.set(parentElement, (state = { parent: parentElement, ended: false }));
  Object.assign(state, { data, setStateValue, setTriggerValue });
  if (fresh) begin(state);
  else update(state);
  // Streamlit also ends a call that a newer one overtook, while the editor goes on.
  return () => setTimeout(() => {
    if (parentElement.isConnected) return;
    state.ended = true;
    state.field?.end();
    KNOWN.delete(parentElement);
  });
}
