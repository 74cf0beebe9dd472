/*
 * Chromium without a window, driven through its DevTools protocol on a pair of pipes: no port, no network, no library.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-extensions',
    '--remote-debugging-pipe'];

export class Browser {
    /* Starts it, with a profile that is removed at the end. */
    constructor(program, { width = 1280, height = 720 } = {}) {
        this.profile = mkdtempSync(join(tmpdir(), 'troupe-browser-'));
        this.child = spawn(program, [...flags, `--user-data-dir=${this.profile}`, `--window-size=${width},${height}`],
            { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
        this.size = { width, height };
        this.count = 0;
        this.calls = new Map();
        this.problems = []; /* errors of the page, and what it tried to load */
        this.waiting = new Map();
        this.child.stdio[4].setEncoding('utf8');
        let text = '';
        this.child.stdio[4].on('data', part => {
            const words = (text + part).split('\0');
            text = words.pop();
            words.forEach(word => this.#take(JSON.parse(word)));
        });
        this.gone = new Promise(resolve => this.child.on('exit', resolve));
        this.gone.then(() => this.calls.forEach(call => call.reject(new Error('the browser has ended'))));
    }

    #take(message) {
        const call = this.calls.get(message.id);
        if (call !== undefined) {
            this.calls.delete(message.id);
            if (message.error !== undefined)
                call.reject(new Error(message.error.message));
            else
                call.resolve(message.result);
            return;
        }
        const { method, params } = message;
        if (method === 'Runtime.exceptionThrown')
            this.problems.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
        if (method === 'Log.entryAdded' && params.entry.level === 'error')
            this.problems.push(params.entry.text);
        if (method === 'Network.requestWillBeSent' && !params.request.url.startsWith('file:'))
            this.problems.push('the page asks for ' + params.request.url);
        this.waiting.get(method)?.(params);
    }

    call(method, params = {}, sessionId = this.session) {
        const id = ++this.count;
        this.child.stdio[3].write(JSON.stringify({ id, method, params, sessionId }) + '\0');
        return new Promise((resolve, reject) => this.calls.set(id, { resolve, reject }));
    }

    happens(method) {
        return new Promise(resolve => this.waiting.set(method, resolve));
    }

    /* Loads a file; gives the milliseconds until it is drawn. */
    async open(file, { dark = false } = {}) {
        const { targetId } = await this.call('Target.createTarget', { url: 'about:blank' }, undefined);
        this.session = (await this.call('Target.attachToTarget', { targetId, flatten: true }, undefined)).sessionId;
        for (const domain of ['Page', 'Runtime', 'Log', 'Network'])
            await this.call(domain + '.enable');
        await this.call('Emulation.setDeviceMetricsOverride', { ...this.size, deviceScaleFactor: 1, mobile: false });
        await this.call('Emulation.setEmulatedMedia',
            { features: [{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }] });
        const loaded = this.happens('Page.loadEventFired'), began = performance.now();
        await this.call('Page.navigate', { url: pathToFileURL(file).href });
        await loaded;
        await this.drawn();
        return performance.now() - began;
    }

    /* The value of an expression in the page. */
    async value(expression) {
        const { result, exceptionDetails } = await this.call('Runtime.evaluate',
            { expression, returnByValue: true, awaitPromise: true });
        if (exceptionDetails !== undefined)
            throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
        return result.value;
    }

    /* Whatever was to be drawn is drawn. */
    drawn() {
        return this.value('new Promise(r => requestAnimationFrame(() => requestAnimationFrame(() => r(0))))');
    }

    /* Where the middle of an element is. */
    place(selector) {
        return this.value(`(() => { const box = document.querySelector(${JSON.stringify(selector)}).getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2]; })()`);
    }

    text(selector) {
        return this.value(`document.querySelector(${JSON.stringify(selector)}).textContent`);
    }

    async click(x, y) {
        for (const type of ['mouseMoved', 'mousePressed', 'mouseReleased'])
            await this.call('Input.dispatchMouseEvent', { type, x, y, button: 'left', clickCount: 1 });
        await this.drawn();
    }

    async clickOn(selector) {
        await this.click(...await this.place(selector));
    }

    async drag(x, y, toX, toY) {
        const at = (type, px, py) => this.call('Input.dispatchMouseEvent',
            { type, x: px, y: py, button: 'left', buttons: 1, clickCount: 1 });
        await at('mousePressed', x, y);
        await at('mouseMoved', toX, toY);
        await at('mouseReleased', toX, toY);
        await this.drawn();
    }

    async wheel(x, y, by, control = false) {
        await this.call('Input.dispatchMouseEvent',
            { type: 'mouseWheel', x, y, deltaX: 0, deltaY: by, modifiers: control ? 2 : 0 });
        await this.drawn();
    }

    async type(text) {
        for (const letter of text)
            await this.press(letter, letter);
    }

    /* A key by its name in the DOM. */
    async press(key, text = key === 'Enter' ? '\r' : key.length === 1 ? key : undefined) {
        await this.call('Input.dispatchKeyEvent', { type: 'keyDown', key, text });
        await this.call('Input.dispatchKeyEvent', { type: 'keyUp', key });
        await this.drawn();
    }

    async picture(file) {
        const { data } = await this.call('Page.captureScreenshot', { format: 'png' });
        const bytes = Buffer.from(data, 'base64');
        if (file !== undefined)
            writeFileSync(file, bytes);
        return bytes;
    }

    /* What comes out of a printer, as PDF. */
    async paper(file) {
        const { data } = await this.call('Page.printToPDF', { preferCSSPageSize: true, printBackground: true });
        const bytes = Buffer.from(data, 'base64');
        if (file !== undefined)
            writeFileSync(file, bytes);
        return bytes;
    }

    async close() {
        this.call('Browser.close', {}, undefined).catch(() => {});
        await this.gone;
        rmSync(this.profile, { recursive: true, force: true, maxRetries: 3 });
    }
}
