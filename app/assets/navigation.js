/* What the pages' links and the browser's history need beside what Streamlit does.

   A link of the navigation leads to the bare address of a page. The page's first run then makes the
   address say what it shows, as an entry of its own in the history: going back would lead to the
   bare address first. So what a page writes before anybody has touched it takes the place of the
   entry; and what a quick page writes before its path is there is no entry of the page before:
   Streamlit takes it along to the path. Links say the language, too, for a new tab. */

if (!window.__inspectorNavigation) {
  const LINK = "[data-testid=stSidebarNavLink]";
  const own = (window.__inspectorNavigation = { entered: true, leaving: false, language: null });
  const push = window.history.pushState.bind(window.history);

  window.history.pushState = (state, title, url) => {
    const samePage = new URL(url ?? "", window.location.href).pathname === window.location.pathname;
    if (samePage && own.leaving) return;
    if (samePage && own.entered) {
      window.history.replaceState(state, title, url);
      return;
    }
    Object.assign(own, { entered: !samePage, leaving: false });
    push(state, title, url);
  };

  const touched = () => Object.assign(own, { entered: false, leaving: false });
  ["pointerdown", "keydown", "popstate"].forEach((what) => window.addEventListener(what, touched, true));

  // A field that the click leaves tells of what was typed a moment later, for the page that it is
  // on: so the link waits for that moment, else the browser is led back to the page.
  const leave = (event) => {
    const link = event.target.closest?.(LINK);
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    if (event.isTrusted) {
      event.preventDefault();
      event.stopImmediatePropagation();
      setTimeout(() => link.click());
    } else {
      own.leaving = new URL(link.href).pathname !== window.location.pathname;
    }
  };
  document.addEventListener("click", leave, true);

  // Words that Streamlit has in English only, for the style sheet.
  own.say = (words) => Object.entries(words).forEach(([name, text]) =>
    document.documentElement.style.setProperty(`--say-${name}`, JSON.stringify(text)));

  const speak = (event) => {
    const link = event.target.closest?.(LINK);
    if (!link) return;
    const address = new URL(link.href);
    if (own.language) address.searchParams.set("lang", own.language);
    else address.searchParams.delete("lang");
    if (address.href !== link.href) link.href = address.href;
  };
  ["pointerover", "focusin"].forEach((what) => document.addEventListener(what, speak, true));
}
