import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { slowness, until } from './wait.mjs';

// Debian's Chromium, without the requests of its own that have nothing to do with the page.
const options = {
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync'],
};

/// A page of a node in a browser, with what went wrong in it.
export class Page {
  static async open(address) {
    const it = new Page();
    it.folder = await mkdtemp(join(tmpdir(), 'troupe-browser-'));
    it.context = await chromium.launchPersistentContext(it.folder, options);
    [it.page] = it.context.pages();
    it.page.setDefaultTimeout(10_000 * slowness);
    it.faults = [];
    it.page.on('pageerror', (error) => it.faults.push(error.message));
    it.page.on('request', (request) => {
      if (!request.url().startsWith(address) && !request.url().startsWith('data:')) it.faults.push(`asked ${request.url()}`);
    });
    await it.page.clock.install(); // The page's timers: nobody waits ten seconds for it to look again.
    await it.page.goto(`${address}/`);
    return it;
  }

  at(id) { return this.page.locator(`#${id}`); }
  text(id) { return this.at(id).innerText(); }
  shown(id) { return this.at(id).isVisible(); }

  /// Waits until the text of `id`, as a person sees it, matches; the page is let look again meanwhile.
  says(id, pattern) {
    return until(`"${id}" says ${pattern}`, async () => {
      const text = await this.text(id);
      if (pattern.test(text)) return true;
      await this.page.clock.fastForward(10_000);
      throw new Error(text);
    }, { within: 20_000, every: 100 });
  }

  /// Types a key at the door and sends it.
  async enter(key) {
    await this.at('key').fill(key);
    await this.at('keyform').getByRole('button').click();
  }

  /// Clicks the button under `id` that says so.
  click(id, label) { return this.at(id).getByRole('button', { name: label, exact: true }).click(); }

  async close() {
    await this.context.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}
