// Choosing, dropping, pasting and linking of pictures; one request at a time, the last one counts.
const $ = (id) => document.getElementById(id);
let running = null;

function say(text, error = "") {
  $("status").textContent = text;
  $("error").textContent = error;
  $("error").hidden = !error;
}

async function ask(body, headers, name) {
  running?.abort();
  const own = running = new AbortController();
  document.body.classList.add("busy");
  say(`Looking at ${name} …`);
  try {
    const response = await fetch("predict?details=true", { method: "POST", body, headers, signal: own.signal });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.error);
    show(answer, name);
  } catch (error) {
    if (own.signal.aborted) return;
    $("results").hidden = true;
    say("", error instanceof TypeError ? "The server does not answer; is it still running?" : sentence(error.message));
  } finally {
    if (running === own) {
      running = null;
      document.body.classList.remove("busy");
    }
  }
}

function sentence(text) {
  return `${text[0].toUpperCase()}${text.slice(1)}.`;
}

function show(answer, name) {
  const results = $("results");
  results.replaceChildren(...resultParts(answer, name));
  results.hidden = false;
  const first = answer.models.map(({ model, classes: [best] }) =>
    `${answer.models.length > 1 ? `${model}: ` : ""}${best.name}, ${percent(best.probability)}`);
  say(`${name}: ${first.join("; ")}`);
  results.focus({ preventScroll: true });
  results.scrollIntoView({ block: "start", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
}

function askFile(file) {
  // A browser that is still sending may not see the server's refusal.
  const most = +$("file").dataset.megabytes;
  if (file.size > 1e6 * most) return say("", `The picture has ${(file.size / 1e6).toFixed(1)} MB, and at most ${most} MB are taken.`);
  const form = new FormData();
  form.append("file", file, file.name || "pasted picture");
  ask(form, {}, file.name || "the pasted picture");
}

function askJSON(value, name) {
  ask(JSON.stringify(value), { "Content-Type": "application/json" }, name);
}

$("file").addEventListener("change", ({ target }) => {
  if (target.files.length) askFile(target.files[0]);
  target.value = "";
});

$("link-form")?.addEventListener("submit", (event) => {
  event.preventDefault();
  const url = $("link").value.trim();
  if (/^https?:\/\//i.test(url)) askJSON({ url }, url.split(/[?#]/)[0].split("/").pop() || url);
  else say("", "A link begins with https:// or http://.");
});

for (const button of document.querySelectorAll("[data-example]")) {
  button.addEventListener("click", () =>
    askJSON({ example: +button.dataset.example }, button.querySelector("span").textContent));
}

for (const kind of ["dragenter", "dragover"]) {
  addEventListener(kind, (event) => {
    event.preventDefault();
    document.body.classList.add("dragged");
  });
}
addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("dragged"); });
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dragged");
  const [file] = event.dataTransfer.files;
  const link = event.dataTransfer.getData("text/uri-list").split("\n").find((line) => /^https?:/i.test(line));
  if (file) askFile(file);
  else if (link && $("link-form")) askJSON({ url: link.trim() }, "the dropped picture");
});

addEventListener("paste", (event) => {
  const file = [...event.clipboardData.files].find(({ type }) => type.startsWith("image/"));
  if (file) {
    event.preventDefault();
    askFile(file);
  } else if (event.target.id !== "link" && $("link-form")) {
    const text = event.clipboardData.getData("text").trim();
    if (/^https?:\/\/\S+$/i.test(text)) askJSON({ url: text }, "the pasted link");
  }
});
