// The little shop that every page shows; what differs is only the SDK that watches it.
document.body.innerHTML = `
  <h1>Corner shop</h1>
  <nav><a href="#/lamps">Lamps</a> <a href="#/tents">Tents</a></nav>
  <ul id="goods"></ul>
  <form><label>Name <input id="name"></label></form>
  <button id="buy" type="button">Buy a lamp</button>
  <button id="break" type="button">Break something</button>
  <p id="said"></p>`;

const show = () => {
  const kind = location.hash.slice(2) || "welcome";
  document.querySelector("#goods").innerHTML = [1, 2, 3].map((n) => `<li>${kind} number ${n}</li>`).join("");
};
addEventListener("hashchange", show);
show();

document.querySelector("#buy").addEventListener("click", async () => {
  const answer = await fetch("/price.json");
  document.querySelector("#said").textContent = `A lamp costs ${(await answer.json()).price} euro`;
});
document.querySelector("#break").addEventListener("click", () => {
  throw new Error("The lamp fell down");
});
