import vm from 'node:vm';
import { request } from './http.mjs';

/// As much of a browser as the dashboard's script needs: elements with text and listeners, no layout.
class Element {
  constructor(tag) {
    Object.assign(this, { tag, id: '', className: '', hidden: false, disabled: false, value: '', style: {},
      children: [], listeners: {}, attributes: {} });
  }

  append(...children) { this.children.push(...children); }
  replaceChildren(...children) { this.children = children; }
  setAttribute(name, value) {
    this.attributes[name] = String(value);
    if (name === 'class') this.className = String(value);
  }
  addEventListener(type, listener) { this.listeners[type] = listener; }
  fire(type) { this.listeners[type]?.({ preventDefault() {} }); }
  get textContent() { return this.children.map((x) => (x instanceof Element ? x.textContent : x)).join(' '); }
  set textContent(text) { this.children = [String(text)]; }
  get all() { return [this, ...this.children.flatMap((x) => (x instanceof Element ? x.all : []))]; }
  querySelectorAll() { return []; } // Nobody opens details here.
  get tBodies() { return this.children.filter(({ tag }) => tag === 'tbody'); }
  get rows() { return this.children; }
}

/// The dashboard of a node, with its script at work.
export class Page {
  static async open(root) {
    const page = new Page();
    const html = (await request(`${root}/`)).text;
    const [markup, script] = html.split('<script>');
    page.byId = new Map();
    for (const [whole, tag, attributes] of markup.matchAll(/<(\w+)((?:\s+[\w-]+(?:="[^"]*")?)*)\s*>/g)) {
      const element = new Element(tag);
      element.hidden = /\shidden\b/.test(attributes);
      element.id = /\sid="([^"]*)"/.exec(attributes)?.[1] ?? `${page.byId.size}`;
      element.className = /\sclass="([^"]*)"/.exec(attributes)?.[1] ?? '';
      page.byId.set(element.id, element);
    }
    page.timers = new Set();
    const stored = new Map();
    const document = {
      hidden: false,
      getElementById: (id) => page.byId.get(id) ?? (() => { throw new Error(`the page has no ${id}`); })(),
      createElement: (tag) => new Element(tag),
      querySelectorAll: (selector) =>
        [...page.byId.values()].filter(({ className }) => className.split(' ').includes(selector.slice(1))),
    };
    page.storage = stored;
    vm.runInNewContext(script.split('</script>')[0], {
      document, Node: Element, URL,
      sessionStorage: { getItem: (key) => stored.get(key) ?? null, setItem: (key, value) => stored.set(key, value),
        removeItem: (key) => stored.delete(key) },
      location: { reload() {} },
      fetch: (path, options) => fetch(root + path, options),
      setTimeout: (call, wait) => {
        if (page.closed) return undefined; // What it asked for came after its end.
        const timer = setTimeout(call, Math.min(wait, 200)); // Nobody waits ten seconds here.
        page.timers.add(timer);
        return timer;
      },
      clearTimeout: (timer) => { clearTimeout(timer); page.timers.delete(timer); },
    });
    return page;
  }

  at(id) { return this.byId.get(id); }
  text(id) { return this.at(id).textContent; }

  /// Types a key and sends the form.
  enter(key) {
    this.at('key').value = key;
    this.at('keyform').fire('submit');
  }

  /// Clicks the button under `id` that says so.
  click(id, label) {
    const button = this.at(id).all.find((x) => x.tag === 'button' && x.textContent === label);
    if (!button) throw new Error(`no button "${label}" in ${this.text(id)}`);
    button.fire('click');
  }

  close() { this.timers.forEach((timer) => clearTimeout(timer)); this.closed = true; }
}
