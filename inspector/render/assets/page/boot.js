/* The start of a saved page: unpack its script and its style. The script runs because the policy names its hash, too. */

async function unpack(name) {
  const packed = document.querySelector(`script[data-piece="${name}"]`).textContent;
  const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

async function begin() {
  const [style, script] = [document.createElement("style"), document.createElement("script")];
  style.textContent = await unpack("style");
  script.type = "module";
  script.textContent = await unpack("script");
  document.head.append(style, script);
}

begin().catch((error) => document.getElementById("note").append(` (${error.message})`));
