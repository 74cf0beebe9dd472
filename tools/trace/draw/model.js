'use strict';
/*
 * What both pictures know of the trace: its rows, which row is the other end of a message, when a handler ran; and what
 * both have beside the drawing: the details of a row, the search, the keys. Texts of the trace only ever become text
 * nodes.
 */
const data = JSON.parse(document.getElementById('trace').textContent);
const rows = data.rows;
const TIME = 0, STREAM = 1, EVENT = 2, ACTOR = 3, FLAGS = 4, ARG = 5, MESSAGE = 6;
const byId = id => document.getElementById(id);
const clamp = (x, least, most) => Math.max(least, Math.min(most, x));

const SVG = 'http://www.w3.org/2000/svg';
function draw(parent, name, attributes, text) {
    const node = document.createElementNS(SVG, name);
    for (const key in attributes)
        node.setAttribute(key, attributes[key]);
    if (text !== undefined)
        node.textContent = text;
    parent.appendChild(node);
    return node;
}
function add(parent, name, text, attributes) {
    const node = document.createElement(name);
    for (const key in attributes)
        node.setAttribute(key, attributes[key]);
    if (text !== undefined)
        node.textContent = text;
    parent.appendChild(node);
    return node;
}

/* -- Rows. -- */

const event = i => data.events[rows[i][EVENT]];
const kind = i => event(i).kind;

/* 1234567 ns: 1.235 ms. */
function duration(ns, digits = 3) {
    const units = [[1e9, 's'], [1e6, 'ms'], [1e3, 'µs']];
    for (const [size, unit] of units) {
        if (Math.abs(ns) >= size)
            return +(ns / size).toFixed(digits) + ' ' + unit;
    }
    return ns === 0 ? '0' : Math.round(ns) + ' ns';
}

function actorName(a) {
    const actor = data.actors[a];
    return actor.class === null ? actor.ref : actor.class + ' ' + actor.ref;
}

/* [label, value] of each field of a row that has a meaning. */
function fields(i) {
    const labels = event(i).labels;
    return [MESSAGE, ARG, FLAGS].map(f => [labels[f - FLAGS], rows[i][f]])
        .filter(([label, value]) => label !== null && value !== null && value !== undefined);
}

/* What is written beside or on a row. */
function title(i) {
    const tag = event(i).labels[ARG - FLAGS] === 'tag' ? rows[i][ARG] : null;
    if ((kind(i) === 'send' || kind(i) === 'receive') && tag !== null)
        return typeof tag === 'number' ? 'tag ' + tag : tag;
    return event(i).name.replaceAll('_', ' ');
}

/* The same with its fields. */
function sentence(i) {
    const words = fields(i).filter(([label]) => label !== 'message').map(([label, value]) => label + ' ' + value);
    return [event(i).name.replaceAll('_', ' '), ...words].join(', ');
}

/* What the search looks into. The parts that many rows have in common are made once. */
const eventTexts = data.events.map(e => e.name + ' ' + e.name.replaceAll('_', ' ') + ' ');
const actorTexts = data.actors.map((_, a) => actorName(a).toLowerCase() + ' ');
const eventFields = data.events.map(e => [MESSAGE, ARG, FLAGS].filter(f => e.labels[f - FLAGS] !== null));
function wholeText(i) {
    const row = rows[i], labels = data.events[row[EVENT]].labels;
    let text = eventTexts[row[EVENT]] + (row[ACTOR] < 0 ? '' : actorTexts[row[ACTOR]]);
    for (const f of eventFields[row[EVENT]]) {
        if (row[f] !== null && row[f] !== undefined)
            text += labels[f - FLAGS] + ' ' + (typeof row[f] === 'string' ? row[f].toLowerCase() : row[f]) + ' ';
    }
    return text;
}

/* -- Messages: the row of the other end, -1 without one. -- */

const partner = new Int32Array(rows.length).fill(-1);
{
    const flying = new Map();
    rows.forEach((row, i) => {
        const id = row[MESSAGE], what = data.events[row[EVENT]].kind;
        if (what === 'send' || what === 'stash') {
            flying.set(id, i);
        } else if (what === 'receive' || what === 'dead') {
            const from = flying.get(id);
            if (from === undefined)
                return;
            partner[i] = from;
            partner[from] = i;
            flying.delete(id);
        }
    });
}

/*
 * Handlers: from the row that begins one to the row that tells of its end, or, if that is not recorded, to the one that
 * shows that the worker has turned to something else. One that a socket's news began ends with its last row: what the
 * loop does then is recorded by nobody. A birth begins none of its own: it lies in its parent's.
 */
const bars = [];
const within = new Int32Array(rows.length).fill(-1); /* the handler of a row */
{
    const open = data.streams.map(() => -1);
    rows.forEach((row, i) => {
        const what = data.events[row[EVENT]], s = row[STREAM];
        const begins = what.begins && what.kind !== 'birth';
        if (open[s] >= 0 && (begins || what.ends)) {
            const bar = bars[open[s]];
            if (data.events[rows[bar.row][EVENT]].ends) /* a message's, not the loop's */
                bar.end = Math.max(bar.end, row[TIME]);
            open[s] = -1;
        }
        if (begins) {
            open[s] = bars.length;
            bars.push({row: i, last: i, actor: row[ACTOR], begin: row[TIME], end: row[TIME]});
        }
        if (open[s] >= 0 && bars[open[s]].actor === row[ACTOR]) {
            within[i] = open[s];
            bars[open[s]].last = i;
            bars[open[s]].end = Math.max(bars[open[s]].end, row[TIME]);
            if (what.kind === 'handled')
                open[s] = -1;
        }
    });
}

/* -- Classes and their colours. -- */

const classes = [...new Set(data.actors.map(a => a.class))].filter(c => c !== null);
const colour = a => a < 0 || data.actors[a].class === null ? 'c7' : 'c' + classes.indexOf(data.actors[a].class) % 8;

/* -- What is chosen. -- */

let chosen = -1;
function choose(i, look = true) {
    chosen = i;
    showDetails();
    if (look && i >= 0)
        bringIntoView(i);
    redraw();
}

function jumpButton(parent, text, to) {
    if (to >= 0)
        add(parent, 'button', text).onclick = () => choose(to);
}

function showDetails() {
    const box = byId('details');
    box.replaceChildren();
    if (chosen < 0) {
        add(box, 'p', 'Click an event for its fields.');
        return;
    }
    const row = rows[chosen], other = partner[chosen], bar = bars[within[chosen]];
    add(box, 'h2', event(chosen).name.replaceAll('_', ' '));
    const list = add(box, 'dl');
    const say = (label, value) => { add(list, 'dt', label); add(list, 'dd', value); };
    if (row[ACTOR] >= 0)
        say('actor', actorName(row[ACTOR]));
    say('worker', data.streams[row[STREAM]]);
    say('time', duration(row[TIME], 6));
    fields(chosen).forEach(([label, value]) => say(label, value));
    if (other >= 0) {
        const to = rows[other][ACTOR], first = Math.min(chosen, other), last = Math.max(chosen, other);
        say(other > chosen ? 'to' : 'from', to < 0 ? 'a thread outside' : actorName(to));
        say('on its way', duration(rows[last][TIME] - rows[first][TIME]));
    }
    if (bar !== undefined && bar.row === chosen)
        say('worked', duration(bar.end - bar.begin));
    const buttons = add(box, 'div');
    jumpButton(buttons, other > chosen ? 'its end' : 'its send', other);
    jumpButton(buttons, 'what began this', bar !== undefined && bar.row !== chosen ? bar.row : -1);
}

/* -- Search. -- */

/*
 * All rows' texts are one, so that a search is one walk through memory. It is made while the browser has nothing else to
 * do; what is missing when somebody searches is made then.
 */
let matches = [], wholeOfAll = null;
const textOfRow = [], textBegins = new Int32Array(rows.length + 1);
function prepareSearch(idle) {
    for (let i = textOfRow.length; i < rows.length; i++) {
        if (i % 256 === 0 && idle !== undefined && idle.timeRemaining() < 2) {
            requestIdleCallback(prepareSearch);
            return;
        }
        textOfRow.push(wholeText(i));
        textBegins[i + 1] = textBegins[i] + textOfRow[i].length + 1;
    }
    if (wholeOfAll === null)
        wholeOfAll = textOfRow.join('\n') + '\n';
}

function search(words) {
    prepareSearch();
    const wanted = words.trim().toLowerCase();
    matches = [];
    for (let i = 0, at = 0; wanted !== '' && (at = wholeOfAll.indexOf(wanted, textBegins[i])) >= 0; i++) {
        while (textBegins[i + 1] <= at)
            i++;
        if (isShown(i))
            matches.push(i);
    }
    byId('found').textContent = wanted === '' ? '' : matches.length.toLocaleString('en') + ' found';
    redraw();
}

function nextMatch(step) {
    if (matches.length === 0)
        return;
    let at = step > 0 ? matches.findIndex(i => i > chosen) : matches.findLastIndex(i => i < chosen);
    if (at < 0)
        at = step > 0 ? 0 : matches.length - 1;
    byId('found').textContent = (at + 1).toLocaleString('en') + ' of ' + matches.length.toLocaleString('en');
    choose(matches[at]);
}

/* -- The page around the drawing. -- */

const glyphs = {
    send: 'M-2.4 0a2.4 2.4 0 1 0 4.8 0a2.4 2.4 0 1 0-4.8 0z',
    birth: 'M-3-5L5 0L-3 5z',
    end: 'M-4-4h8v8h-8z',
    fault: 'M-4-4l8 8M4-4l-8 8',
    net: 'M0-4.6L4.6 0L0 4.6L-4.6 0z',
    other: 'M-1.2-5h2.4v10h-2.4z',
};
const glyphOf = what => what === 'dead' ? 'fault' : what === 'stash' ? 'other' : what;
const glyphClass = glyph => glyph === 'fault' ? 'fault' : glyph === 'send' ? 'send' : 'mark';

function legendItem(text, fill) {
    const item = add(byId('legend'), 'span');
    const svg = draw(item, 'svg', {width: 18, height: 14, viewBox: '-9 -7 18 14'});
    fill(svg);
    add(item, 'b', text).style.fontWeight = 'normal';
}

function legend(texts) {
    classes.slice(0, 8).forEach((c, n) => legendItem(c, svg =>
        draw(svg, 'rect', {x: -9, y: -5, width: 18, height: 10, class: 'bar c' + n})));
    if (classes.length > 8)
        legendItem('and ' + (classes.length - 8) + ' classes more, in the same colours again', () => {});
    for (const [glyph, text] of texts)
        legendItem(text, svg => draw(svg, 'path', {d: glyphs[glyph], class: glyphClass(glyph)}));
}

function summary() {
    const parts = [rows.length.toLocaleString('en') + ' events', data.actors.length.toLocaleString('en') + ' actors'];
    if (rows.length > 0)
        parts.push(duration(rows.reduce((most, row) => Math.max(most, row[TIME]), 0)), 'from ' + data.begin);
    if (data.more > 0)
        parts.push(data.more.toLocaleString('en') + ' events more are not in this picture: choose others with --last, ' +
            '--around, --since, --until and --actor, or more with --limit');
    if (data.lost > 0)
        parts.push(data.lost.toLocaleString('en') + ' events were lost when they were recorded');
    if (data.contradictions > 0)
        parts.push(data.contradictions.toLocaleString('en') + ' messages contradict the clock');
    return parts.join(' · ');
}

let waiting = false;
function redraw() {
    if (waiting)
        return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; drawAll(); });
}

function showKeys(list) {
    const box = byId('keys');
    add(box, 'h3', 'Keys');
    const table = add(box, 'dl');
    for (const [key, text] of list) {
        add(add(table, 'dt'), 'kbd', key);
        add(table, 'dd', text);
    }
}

function begin(what, keys) {
    byId('title').textContent = what + ' of ' + data.path;
    document.title = what + ' of ' + data.path;
    byId('summary').textContent = summary();
    byId('find').oninput = e => search(e.target.value);
    byId('find').onkeydown = e => {
        if (e.key === 'Enter')
            nextMatch(e.shiftKey ? -1 : 1);
        if (e.key === 'Escape')
            byId('stage').focus();
        e.stopPropagation();
    };
    byId('next').onclick = () => nextMatch(1);
    byId('before').onclick = () => nextMatch(-1);
    const common = {
        '/': () => byId('find').focus(),
        n: () => nextMatch(1),
        N: () => nextMatch(-1),
        Enter: () => { if (chosen >= 0 && partner[chosen] >= 0) choose(partner[chosen]); },
        Escape: () => choose(-1),
    };
    document.addEventListener('keydown', e => {
        const act = keys[e.key] || common[e.key];
        if (act === undefined || e.ctrlKey || e.metaKey || e.altKey || e.target.tagName === 'INPUT' ||
            (e.key === 'Enter' && e.target.tagName === 'BUTTON'))
            return;
        e.preventDefault();
        act();
    });
    showDetails();
    window.addEventListener('resize', redraw);
    requestIdleCallback(prepareSearch);
}
const commonKeys = [['Enter', 'the other end of the message'], ['/', 'search'], ['n N', 'next, last match'],
    ['Esc', 'choose nothing']];
