/*
 * The sequence diagram: a lifeline for each actor that is shown, and downwards what they did, in causal order: one line
 * for each event, and one for a message that is received directly after it is sent. Time is only written beside it.
 *
 * Lines beyond the window are not drawn. On paper all are, in pieces that fit a page.
 */
const LEFT = 124, HEAD = 50, LINE = 26, MOST_COLUMNS = 8, LINES_ON_PAPER = 24, MOST_ON_PAPER = 3000;
let COLUMN = 168; /* narrower where there are many */

/* -- Who is shown: at first those that exchange most messages, in the order in which they appear. -- */

const weights = data.actors.map(() => 0);
rows.forEach((row, i) => { if (row[ACTOR] >= 0) weights[row[ACTOR]] += partner[i] >= 0 ? 1 : .001; });
const shown = new Set([...weights.keys()].sort((a, b) => weights[b] - weights[a] || a - b).slice(0, MOST_COLUMNS));
let withMessages = true, withOthers = true;

let columns = [], columnOf = [], lines = [], lineOf = new Int32Array(rows.length);
const isMessage = i => kind(i) === 'send' || kind(i) === 'receive' || kind(i) === 'dead';
const hasColumn = i => rows[i][ACTOR] >= 0 && shown.has(rows[i][ACTOR]);

function isShown(i) {
    if (isMessage(i))
        return withMessages && (hasColumn(i) || (rows[i][ACTOR] < 0 && partner[i] >= 0 && hasColumn(partner[i])));
    return withOthers && hasColumn(i);
}

/* A line is {row, to}: `to` is the row of the message's end if it stands on the same line. */
function layLines() {
    columns = [...shown].sort((a, b) => a - b);
    COLUMN = clamp(Math.floor((byId('stage').clientWidth - LEFT - 45) / columns.length), 104, 220);
    columnOf = data.actors.map((_, a) => columns.indexOf(a));
    lines = [];
    lineOf.fill(-1);
    let before = -1;
    for (let i = 0; i < rows.length; i++) {
        if (!isShown(i))
            continue;
        if (before >= 0 && partner[i] === before && kind(before) === 'send') {
            lines[lines.length - 1].to = i;
            lineOf[i] = lines.length - 1;
            before = -1;
            continue;
        }
        lineOf[i] = lines.length;
        lines.push({row: i, to: -1});
        before = i;
    }
    for (const bar of bars) {
        bar.top = lineOf[bar.row];
        bar.bottom = -1;
    }
    lines.forEach((line, n) => {
        for (const i of [line.row, line.to]) {
            if (i >= 0 && within[i] >= 0) {
                const bar = bars[within[i]];
                bar.bottom = n;
                bar.top = bar.top < 0 ? n : bar.top;
            }
        }
    });
    byId('room').style.height = HEAD + (lines.length + 1) * LINE + 'px';
    byId('room').style.width = width() + 'px';
}

const width = () => LEFT + Math.max(columns.length, 1) * COLUMN + 40;
const columnX = c => LEFT + c * COLUMN + COLUMN / 2;
/* Who is not shown stands at the right edge, threads outside at the left. */
const xOf = i => rows[i][ACTOR] < 0 ? LEFT : hasColumn(i) ? columnX(columnOf[rows[i][ACTOR]]) : width() - 30;

/* -- Drawing: lines from..to, of which `from` stands at y = HEAD of the svg. -- */

const fits = (text, room) => {
    const most = Math.floor(room / 6.3);
    return text.length <= most ? text : text.slice(0, Math.max(most - 1, 1)) + '…';
};

function drawHeads(svg) {
    draw(svg, 'rect', {x: 0, y: 0, width: width(), height: HEAD, class: 'ground'});
    draw(svg, 'text', {x: 10, y: 30, class: 'faint'}, 'since the last');
    columns.forEach((a, c) => {
        const actor = data.actors[a], x = columnX(c);
        draw(svg, 'rect', {x: x - COLUMN / 2 + 6, y: 6, width: COLUMN - 12, height: 36, rx: 5, class: 'bar ' + colour(a)});
        draw(svg, 'text', {x, y: 21, 'text-anchor': 'middle', class: 'onbar strong class'},
            fits(actor.class === null ? '(unknown)' : actor.class, COLUMN - 24));
        draw(svg, 'text', {x, y: 36, 'text-anchor': 'middle', class: 'onbar'},
            fits(actor.ref, COLUMN - 18));
    });
    draw(svg, 'path', {d: `M0 ${HEAD - .5}H${width()}`, class: 'rule'});
}

function arrow(svg, x1, y1, x2, y2, name) {
    const length = Math.hypot(x2 - x1, y2 - y1) || 1, ux = (x2 - x1) / length, uy = (y2 - y1) / length;
    const tx = x2 - ux * 5, ty = y2 - uy * 5, bx = tx - ux * 8, by = ty - uy * 8;
    draw(svg, 'path', {d: `M${x1} ${y1}L${bx} ${by}`, class: name});
    draw(svg, 'path', {d: `M${tx} ${ty}L${bx - uy * 4} ${by + ux * 4}L${bx + uy * 4} ${by - ux * 4}z`,
        class: name === 'chosen' ? 'chosenhead' : 'head'});
}

/* To itself: a hook at the right of the lifeline. */
function hook(svg, x, y1, y2, name) {
    const low = Math.max(y2, y1 + 10);
    draw(svg, 'path', {d: `M${x} ${y1}h26V${low}h-16`, class: name});
    draw(svg, 'path', {d: `M${x + 4} ${low}l8-4v8z`, class: 'head'});
}

function drawMessage(svg, send, yOf) {
    const end = partner[send], x1 = xOf(send), x2 = xOf(end);
    /* An end that is not shown stands on the line of the other. */
    const y1 = yOf(lineOf[send] < 0 ? end : send), y2 = yOf(lineOf[end] < 0 ? send : end);
    const name = chosen === send || chosen === end ? 'chosen' : 'arrow';
    if (rows[send][ACTOR] === rows[end][ACTOR])
        hook(svg, x1, y1, y2, name);
    else
        arrow(svg, x1, y1, x2, y2, name);
    if (kind(end) === 'dead')
        draw(svg, 'path', {d: glyphs.fault, transform: `translate(${x2} ${y2})`, class: 'fault'});
}

/* The text of a line begins beside its lifeline, on the side to which the message goes. */
function drawText(svg, line, y) {
    const i = line.row, x = xOf(i), other = partner[i];
    let text = isMessage(i) ? title(i) : sentence(i), left = false, elsewhere = '';
    if (kind(i) === 'receive' && other >= 0)
        text = title(i) + ' arrives';
    if (kind(i) === 'dead')
        text = 'dead letter' + (other >= 0 ? ': ' + title(other) : '');
    if (other >= 0 && kind(i) === 'send' && !hasColumn(other) && rows[other][ACTOR] >= 0)
        elsewhere = ' to ' + actorName(rows[other][ACTOR]);
    if (other >= 0 && kind(i) !== 'send' && rows[other][ACTOR] >= 0 && !hasColumn(other))
        elsewhere = ' from ' + actorName(rows[other][ACTOR]);
    if (other >= 0 && xOf(other) !== x)
        left = kind(i) === 'send' ? xOf(other) < x : xOf(other) > x;
    else
        left = x + 20 + (text + elsewhere).length * 6.2 > width() && x > LEFT + (text + elsewhere).length * 6.2;
    const fault = kind(i) === 'fault' || kind(i) === 'dead';
    draw(svg, 'text', {x: left ? x - 11 : x + 11, y: y + (isMessage(i) ? -4 : 4), 'text-anchor': left ? 'end' : 'start',
        class: 'halo' + (fault ? ' fault' : '')}, text + elsewhere);
}

function drawLine(svg, line, n, y) {
    const i = line.row, glyph = glyphOf(kind(i)), before = n > 0 ? rows[lines[n - 1].row][TIME] : null;
    const time = before === null ? duration(rows[i][TIME]) : '+' + duration(Math.max(rows[i][TIME] - before, 0), 1);
    draw(svg, 'text', {x: LEFT - 52, y: y + 4, class: 'faint', 'text-anchor': 'end'}, time);
    if (rows[i][ACTOR] < 0)
        draw(svg, 'text', {x: LEFT - 6, y: y + 4, class: 'faint', 'text-anchor': 'end'}, 'outside');
    if (glyphs[glyph] !== undefined && glyph !== 'send')
        draw(svg, 'path', {d: glyphs[glyph], transform: `translate(${xOf(i)} ${y})`, class: glyphClass(glyph)});
    if (partner[i] < 0 && kind(i) === 'send')
        draw(svg, 'path', {d: glyphs.send, transform: `translate(${xOf(i)} ${y})`, class: 'send'});
    drawText(svg, line, y);
}

function drawBars(svg, from, to, yAt) {
    let all = {};
    for (const bar of bars) {
        if (bar.top < 0 || bar.bottom < from || bar.top > to || !shown.has(bar.actor))
            continue;
        const x = columnX(columnOf[bar.actor]), y = yAt(Math.max(bar.top, from - 1)) - 5;
        const name = colour(bar.actor);
        all[name] = (all[name] || '') + `M${x - 5} ${y}h10V${yAt(Math.min(bar.bottom, to + 1)) + 6}h-10z`;
    }
    for (const name in all)
        draw(svg, 'path', {d: all[name], class: 'bar ' + name});
}

function drawPiece(svg, from, to, shift) {
    const yAt = n => HEAD + (n - from) * LINE + LINE / 2 + 6 - shift, yOf = i => yAt(lineOf[i]);
    const bottom = Math.min(yAt(to) + LINE / 2, yAt(lines.length - 1) + LINE / 2);
    columns.forEach((_, c) => draw(svg, 'path', {d: `M${columnX(c)} ${HEAD}V${bottom}`, class: 'life'}));
    const found = new Set(matches.map(i => lineOf[i]));
    for (let n = from; n <= to; n++) {
        if (found.has(n))
            draw(svg, 'rect', {x: 0, y: yAt(n) - LINE / 2 + 1, width: 8, height: LINE - 2, class: 'match'});
    }
    drawBars(svg, from, to, yAt);
    for (const i of messagesOf(from, to))
        drawMessage(svg, i, yOf);
    for (let n = from; n <= to; n++)
        drawLine(svg, lines[n], n, yAt(n));
    if (chosen >= 0 && lineOf[chosen] >= from && lineOf[chosen] <= to)
        draw(svg, 'circle', {cx: xOf(chosen), cy: yOf(chosen), r: 9, class: 'chosen', id: 'ring'});
}

/* Messages that touch these lines, by their sends. */
function messagesOf(from, to) {
    const list = new Set();
    for (let i = 0; i < rows.length; i++) {
        const end = partner[i];
        if (end > i && kind(i) === 'send' && Math.max(lineOf[i], lineOf[end]) >= from &&
            Math.min(lineOf[i] < 0 ? lineOf[end] : lineOf[i], lineOf[end] < 0 ? lineOf[i] : lineOf[end]) <= to)
            list.add(i);
    }
    return list;
}

function drawAll() {
    const stage = byId('stage'), svg = byId('drawing'), height = Math.max(stage.clientHeight, 100);
    const top = stage.scrollTop, from = clamp(Math.floor(top / LINE), 0, Math.max(lines.length - 1, 0));
    const to = Math.min(from + Math.ceil(height / LINE) + 1, lines.length - 1);
    svg.replaceChildren();
    svg.style.left = '';
    svg.setAttribute('width', width());
    svg.setAttribute('height', height);
    svg.setAttribute('viewBox', `0 0 ${width()} ${height}`);
    if (lines.length > 0)
        drawPiece(svg, from, to, top - from * LINE);
    else
        draw(svg, 'text', {x: LEFT, y: HEAD + 40, class: 'faint'}, 'Nothing to show: choose actors at the right.');
    drawHeads(svg);
    byId('note').textContent = columns.length + ' of ' + data.actors.length + ' actors are shown.';
}

/* -- Choosing. -- */

function bringIntoView(i) {
    const stage = byId('stage');
    if (rows[i][ACTOR] >= 0 && !shown.has(rows[i][ACTOR])) {
        shown.add(rows[i][ACTOR]);
        layLines();
        listActors();
    }
    const y = lineOf[i] * LINE, x = xOf(i);
    if (lineOf[i] >= 0 && (y < stage.scrollTop || y + HEAD + 2 * LINE > stage.scrollTop + stage.clientHeight))
        stage.scrollTop = y - stage.clientHeight / 3;
    if (x < stage.scrollLeft + LEFT || x > stage.scrollLeft + stage.clientWidth - 40)
        stage.scrollLeft = x - stage.clientWidth / 2;
}

function rowAt(x, y) {
    const n = Math.floor((y - HEAD - 6 + byId('stage').scrollTop) / LINE);
    if (y < HEAD || n < 0 || n >= lines.length)
        return -1;
    const {row, to} = lines[n];
    return to >= 0 && Math.abs(xOf(to) - x) < Math.abs(xOf(row) - x) ? to : row;
}

function step(n) {
    const at = chosen < 0 || lineOf[chosen] < 0 ? 0 : clamp(lineOf[chosen] + n, 0, lines.length - 1);
    if (lines.length > 0)
        choose(lines[at].row);
}

function listActors() {
    const box = byId('actors');
    box.replaceChildren();
    add(box, 'h3', 'Actors');
    const order = [...weights.keys()].sort((a, b) => weights[b] - weights[a] || a - b);
    for (const a of order.slice(0, 300)) {
        const label = add(box, 'label'), input = add(label, 'input', undefined, {type: 'checkbox'});
        label.append(actorName(a));
        add(label, 'span', Math.floor(weights[a]).toLocaleString('en'));
        input.checked = shown.has(a);
        input.onchange = () => {
            if (input.checked)
                shown.add(a);
            else
                shown.delete(a);
            layLines();
            redraw();
        };
    }
    add(box, 'p', 'The number is that of messages sent and received.' +
        (order.length > 300 ? ' Others are found by search, or chosen with --actor and --class.' : ''));
}

function toggle(id, act) {
    byId(id).onclick = () => {
        byId(id).setAttribute('aria-pressed', act());
        layLines();
        redraw();
    };
}

function listen() {
    const stage = byId('stage'), svg = byId('drawing');
    stage.addEventListener('scroll', redraw);
    svg.addEventListener('click', e => {
        const box = svg.getBoundingClientRect();
        choose(rowAt(e.clientX - box.left, e.clientY - box.top), false);
    });
    toggle('messages', () => withMessages = !withMessages);
    toggle('others', () => withOthers = !withOthers);
}

window.addEventListener('resize', layLines);
window.addEventListener('beforeprint', () => {
    const room = byId('room');
    byId('drawing').style.display = 'none';
    for (let from = 0; from < Math.min(lines.length, MOST_ON_PAPER); from += LINES_ON_PAPER) {
        const to = Math.min(from + LINES_ON_PAPER, lines.length) - 1, height = HEAD + (to - from + 2) * LINE;
        const svg = draw(room, 'svg', {viewBox: `0 0 ${width()} ${height}`, class: 'paper'});
        drawPiece(svg, from, to, 0);
        drawHeads(svg);
    }
});
window.addEventListener('afterprint', () => {
    document.querySelectorAll('svg.paper').forEach(svg => svg.remove());
    byId('drawing').style.display = '';
});

layLines();
listen();
listActors();
begin('Sequence', {ArrowUp: () => step(-1), ArrowDown: () => step(1)});
legend([['birth', 'begins'], ['end', 'ends'], ['net', 'network'], ['fault', 'fails, dead letter'],
    ['other', 'something else']]);
legendItem('works', svg => draw(svg, 'rect', {x: -4, y: -7, width: 8, height: 14, class: 'bar c7'}));
showKeys([['↑ ↓', 'event before, behind'], ...commonKeys]);
redraw();
