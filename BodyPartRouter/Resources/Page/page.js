"use strict";
const EVERY_MS = 2000;
const byId = (name) => document.getElementById(name);

/* Text goes into the page as text alone: what a header says is never taken for markup. */
function element(kind, text, properties) {
  const made = Object.assign(document.createElement(kind), properties || {});
  if (text !== undefined) made.textContent = text;
  return made;
}

function say(text) { byId("message").textContent = text || ""; }

async function ask(path, body) {
  const options = body === undefined ? {} : {
    method: "POST", body: JSON.stringify(body),
    headers: { "Content-Type": "application/json", "X-LesionKit": "page" },
  };
  const answer = await fetch(path, options);
  if (answer.status === 401) { byId("login").hidden = false; byId("main").hidden = true; }
  const document = await answer.json();
  if (!answer.ok) throw new Error(document.error);
  return document;
}

async function act(path, body, done) {
  try { await ask(path, body); say(done); } catch (error) { say(error.message); }
  await refresh(true);
}

function choice(names, label) {
  const box = element("select", undefined, { ariaLabel: label });
  for (const name of names) box.append(element("option", name, { value: name }));
  return box;
}

function button(text, action) {
  const made = element("button", text, { type: "button" });
  made.addEventListener("click", action);
  return made;
}

function card(image, state) {
  const made = element("article"), text = element("div");
  made.dataset.id = image.id;
  made.append(element("img", undefined, { src: `api/thumbnail/${image.id}`, alt: "The image", loading: "lazy" }), text);
  text.append(element("p", image.reason_shown), element("p", `${image.state}, ${image.label || "unknown"}, ${image.uid || image.id.slice(0, 12)}`));
  const release = element("div", undefined, { className: "row" });
  const to = choice(["as the rules say", ...state.places], "Destination");
  release.append(to, button("Release", () =>
    act("api/release", { id: image.id, to: to.selectedIndex ? to.value : null }, "Released.")));
  const correct = element("div", undefined, { className: "row" });
  const label = choice(state.classes, "Class");
  correct.append(label, button("Correct", () => act("api/correct", { id: image.id, label: label.value }, "Corrected.")));
  text.append(release, correct);
  if (image.state === "failed") text.append(button("Resend", () => act("api/resend", { id: image.id }, "Sent again.")));
  return made;
}

function showDestinations(places) {
  byId("destinations").tBodies[0].replaceChildren(...places.map((place) => {
    const row = element("tr");
    const state = place.outage ? `takes nothing: ${place.outage}` : place.note ? `trying again: ${place.note}` : "works";
    const since = place.since ? new Date(place.since * 1000).toLocaleString() : "";
    row.append(element("td", place.name), element("td", place.waiting),
      element("td", state, { className: place.outage ? "out" : "" }), element("td", since), element("td", place.tries || ""));
    const cell = element("td");
    if (place.waiting) cell.append(button("Retry", () => act("api/retry", { name: place.name }, "Trying again.")));
    row.append(cell);
    return row;
  }));
}

function showImages(state) {
  const there = new Map([...byId("images").children].map((one) => [one.dataset.id, one]));
  const keys = new Map(state.attention.map((image) => [image.id, image]));
  for (const [id, one] of there) if (!keys.has(id) || one.dataset.state !== keys.get(id).state) { one.remove(); there.delete(id); }
  for (const [id, image] of keys) if (!there.has(id)) {  /* those that are there keep what a person has chosen */
    const made = card(image, state);
    made.dataset.state = image.state;
    byId("images").append(made);
  }
  if (!keys.size) byId("images").replaceChildren(element("p", "None."));
}

async function refresh() {
  try {
    const state = await ask("api/state");
    byId("login").hidden = true; byId("main").hidden = false;
    byId("counts").textContent = Object.entries(state.counts).map(([name, count]) => `${count} ${name}`).join(", ");
    byId("throughput").textContent = `In the last minute: ${state.received_last_minute} came, ${state.delivered_last_minute} left.`;
    showDestinations(state.destinations);
    showImages(state);
  } catch (error) { say(error.message === "Failed to fetch" ? "The service does not answer." : error.message); }
}

byId("reload").addEventListener("click", () => act("api/reload", {}, "The rules were read again."));
byId("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  try { await ask("api/login", { token: byId("token").value }); say(""); } catch (error) { say(error.message); }
  await refresh();
});
refresh();
setInterval(refresh, EVERY_MS);
