// What a page does beyond reading: the dark switch, search, the same place in the other language. Everything reads without it.
const root = document.documentElement, find = id => document.getElementById(id)
const chinese = root.lang.startsWith("zh")

const isDark = () => (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark"
const label = () => { find("book-theme").textContent = chinese ? (isDark() ? "浅色" : "深色") : (isDark() ? "Light" : "Dark") }
const kept = { get: () => { try { return localStorage.theme } catch { return undefined } }, set: theme => { try { localStorage.theme = theme } catch {} } }
if (kept.get()) root.dataset.theme = kept.get()
label()
find("book-theme").hidden = false
find("book-theme").onclick = () => { root.dataset.theme = isDark() ? "light" : "dark"; kept.set(root.dataset.theme); label() }

if (matchMedia("(min-width: 78rem)").matches) document.querySelectorAll(".contents details").forEach(it => { it.open = true })

// the cell at the top of the window has the same id in the other language
const twin = find("book-twin"), page = twin.getAttribute("href").split("#")[0]
twin.addEventListener("click", () => {
  const cells = [...document.querySelectorAll("section[id], section > [id]")].filter(cell => cell.getBoundingClientRect().top < 120)
  if (cells.length) twin.href = `${page}#${cells.at(-1).id}`
})

// a link into a folded part opens it
const unfold = () => {
  const target = find(decodeURIComponent(location.hash.slice(1)))
  const lid = target?.closest("details") ?? target?.nextElementSibling
  if (lid?.matches("details")) lid.open = true
}
addEventListener("hashchange", unfold)
unfold()

const search = find("book-search")
if (search && location.protocol !== "file:") {
  search.hidden = false
  const open = async () => {
    find("book-found").showModal()
    if (!find("book-finder").hasChildNodes()) {
      const style = Object.assign(document.createElement("link"), { rel: "stylesheet", href: "../pagefind/pagefind-ui.css" })
      const script = Object.assign(document.createElement("script"), { src: "../pagefind/pagefind-ui.js" })
      document.head.append(style, script)
      await new Promise(done => { script.onload = done })
      new PagefindUI({ element: "#book-finder", showImages: false, showSubResults: true, resetStyles: false })
    }
    find("book-found").querySelector("input")?.focus()
  }
  search.onclick = open
  addEventListener("keydown", event => { if (event.key === "/" && !/INPUT|TEXTAREA/.test(event.target.tagName)) { event.preventDefault(); open() } })
}
