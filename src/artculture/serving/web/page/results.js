// Drawing of answers. Titles and names come from museums and files: they are only ever set as text.

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function percent(probability) {
  const value = 100 * probability;
  return value >= 99.95 && probability < 1 ? "> 99.9 %" : value < 0.05 ? "< 0.1 %" : `${value.toFixed(1)} %`;
}

function bars(classes) {
  return element("ol", { class: "bars" }, ...classes.map(({ name, probability }) => {
    const bar = element("b");
    bar.style.width = `${100 * probability}%`;
    return element("li", {}, element("span", {}, name), element("i", { "aria-hidden": "true" }, bar),
      element("span", { class: "n" }, percent(probability)));
  }));
}

function listed(names) {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;
}

function setSentence(answer) {
  if (!answer.set) return null;
  const share = `${+(100 * answer.coverage).toFixed(1)} %`;
  return element("p", { class: "says" }, element("strong", {}, listed(answer.set)),
    `: for ${share} of paintings like those of the validation split, the true ${answer.label} is in such a set.`);
}

function unlikeSentence(unlike) {
  if (unlike === null) return null;
  const share = Math.round(100 * unlike);
  const strong = unlike > 0.99 ? "Unlike anything in training: " : unlike > 0.95 ? "Unlike most of the training: " : "";
  const more = share >= 100 ? "all validation paintings are" : share <= 0 ? "no validation painting is"
    : `${share} % of the validation paintings are`;
  const end = strong ? ". The probabilities above may mean nothing." : ".";
  const said = element("p", { class: strong ? "says odd" : "says" });
  if (strong) said.append(element("strong", {}, strong));
  said.append(`${strong ? more : more[0].toUpperCase() + more.slice(1)} more like the training paintings than this picture${end}`);
  return said;
}

const MEANINGS = {
  feature_map: "where the last layer is active, whatever it predicts",
  grad_cam: "what supports",
};

function maps(details, best) {
  if (!details.maps.length) return [element("p", { class: "says soft" }, `No maps: ${details.maps_missing}.`)];
  const figures = details.maps.map(({ method, title, image }) => {
    const name = title[0].toUpperCase() + title.slice(1);
    const meaning = method === "grad_cam" ? `${MEANINGS.grad_cam} “${best}”` : MEANINGS[method];
    return element("figure", {}, element("img", { src: image, alt: `${name} over the picture` }),
      element("figcaption", {}, element("strong", {}, `${name}: `), meaning));
  });
  return [element("h3", {}, "Saliency maps"), element("div", { class: "maps" }, ...figures)];
}

function painting(one) {
  const title = one.title || one.object_id;
  const shown = one.url
    ? element("a", { class: "title", href: one.url, target: "_blank", rel: "noopener noreferrer" }, title)
    : element("span", { class: "title" }, title);
  const made = [one.artist, one.date].filter(Boolean).join(", ");
  return element("li", {}, element("div", { class: "mat" }, element("img", { src: one.thumbnail, alt: "" })), shown,
    element("span", { class: "of" }, `${made ? `${made}. ` : ""}${one.label}, similarity ${one.similarity.toFixed(2)}`));
}

function similar(paintings) {
  if (!paintings) return [];
  return [element("h3", {}, "Nearest training paintings"), element("ol", { class: "similar" }, ...paintings.map(painting))];
}

function answerCard(answer) {
  const best = answer.classes[0];
  const card = element("article", { class: "answer" }, element("h2", {}, best.name),
    element("p", { class: "by" }, answer.model), bars(answer.classes));
  for (const [label, classes] of Object.entries(answer.labels)) card.append(element("h3", {}, label), bars(classes));
  for (const said of [setSentence(answer), unlikeSentence(answer.unlike)]) if (said) card.append(said);
  if (answer.details) card.append(...maps(answer.details, best.name), ...similar(answer.details.similar));
  return card;
}

function resultParts(prediction, name) {
  const image = element("img", { src: prediction.preview, alt: `The picture asked about: ${name}` });
  const figure = element("figure", { class: "picture" }, image, element("figcaption", {}, name));
  const several = prediction.models.length > 1 ? " several" : "";
  return [figure, element("div", { class: `answers${several}` }, ...prediction.models.map(answerCard))];
}
