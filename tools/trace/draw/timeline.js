/*
 * The timeline: a lane for each worker, and below it one for each of its actors.
 *
 * Only what lies in the window is drawn, and what falls onto one pixel is drawn once, in one path for each lane and
 * colour. So a frame costs a walk through the rows, and never more elements than the window has room for. What is under
 * the pointer is found by calculation, not by elements.
 *
 * Pauses in which nothing happens at all are folded to a narrow strip when they are most of the time. So places in the
 * picture are "folded" times: fold() and unfold() go to and fro.
 */
const GUTTER = 190, AXIS = 26, MOST_ARROWS = 3000;
let LANE = 26; /* higher where there are few */

/* -- Folded time. -- */

const knots = [[0, 0]]; /* [time, folded time]: linear in between */
const pauses = [];      /* {from, to} in time */
const last = rows.reduce((most, row) => Math.max(most, row[TIME]), 1);
{
    const times = Float64Array.from(rows, row => row[TIME]).sort();
    const gaps = [];
    for (let i = 1; i < times.length; i++)
        gaps.push({from: times[i - 1], to: times[i], size: times[i] - times[i - 1]});
    const sizes = gaps.map(g => g.size).sort((a, b) => a - b);
    const least = Math.max(50e3, 8 * (sizes[Math.floor(sizes.length * .9)] || 0));
    const long = gaps.filter(g => g.size > least).sort((a, b) => b.size - a.size).slice(0, 200);
    const idle = long.reduce((sum, g) => sum + g.size, 0), busy = Math.max(last - idle, 1);
    if (idle > .6 * last) {
        const width = Math.min(least, .35 * busy / long.length);
        let shift = 0;
        const inOrder = [];
        for (const gap of long.sort((a, b) => a.from - b.from)) {
            const before = inOrder[inOrder.length - 1];
            if (before !== undefined && gap.from - before.to < .05 * width)
                Object.assign(before, {to: gap.to, size: gap.to - before.from});
            else
                inOrder.push(gap);
        }
        for (const pause of inOrder) {
            knots.push([pause.from, pause.from - shift]);
            shift += pause.size - width;
            knots.push([pause.to, pause.to - shift]);
            pauses.push(pause);
        }
        knots.push([last, last - shift]);
    } else {
        knots.push([last, last]);
    }
}
let folded = pauses.length > 0;

function between(value, from, to) {
    let low = 0, high = knots.length - 2;
    while (low < high) {
        const middle = (low + high + 1) >> 1;
        if (knots[middle][from] <= value)
            low = middle;
        else
            high = middle - 1;
    }
    const a = knots[low], b = knots[low + 1];
    return b[from] === a[from] ? a[to] : a[to] + (value - a[from]) * (b[to] - a[to]) / (b[from] - a[from]);
}
const fold = time => folded ? between(time, 0, 1) : time;
const unfold = place => folded ? between(place, 1, 0) : place;
const end = () => Math.max(fold(last), 1);

/* -- Lanes. -- */

const allLanes = [], laneOfActor = [], laneOfStream = [];
{
    const groups = new Map();
    data.streams.forEach((name, s) => groups.set(name, {name, stream: s, actors: []}));
    data.actors.forEach((actor, a) => {
        if (!groups.has(actor.worker))
            groups.set(actor.worker, {name: actor.worker, stream: -1, actors: []});
        groups.get(actor.worker).actors.push(a);
    });
    for (const group of groups.values()) {
        const head = {actor: -1, group, open: true, events: [], bars: [], awake: []};
        if (group.stream >= 0)
            laneOfStream[group.stream] = head;
        allLanes.push(head);
        for (const a of group.actors) {
            laneOfActor[a] = {actor: a, group, head, events: [], bars: []};
            allLanes.push(laneOfActor[a]);
        }
    }
}
const laneOf = i => rows[i][ACTOR] >= 0 ? laneOfActor[rows[i][ACTOR]] : laneOfStream[rows[i][STREAM]];
rows.forEach((_, i) => laneOf(i).events.push(i));
bars.forEach((bar, b) => { if (bar.actor >= 0) laneOfActor[bar.actor].bars.push(b); });
for (const lane of allLanes)
    lane.events.sort((a, b) => rows[a][TIME] - rows[b][TIME] || a - b);
{
    const since = data.streams.map(() => -1);
    rows.forEach((row, i) => {
        const what = kind(i), s = row[STREAM];
        if (what !== 'sleep' && since[s] < 0)
            since[s] = row[TIME]; // callbacks of descriptors and timers come before `wake`
        if (what === 'sleep' && since[s] >= 0) {
            laneOfStream[s].awake.push([since[s], row[TIME]]);
            since[s] = -1;
        }
    });
}

let lanes = [];
function layLanes() {
    lanes = allLanes.filter(lane => lane.actor < 0 || lane.head.open);
    LANE = clamp(Math.floor((byId('stage').clientHeight - AXIS) / lanes.length), 26, 52);
    allLanes.forEach(lane => { lane.y = -1; });
    lanes.forEach((lane, n) => { lane.y = AXIS + n * LANE; });
    allLanes.forEach(lane => { if (lane.y < 0) lane.y = lane.head.y; }); /* shut: the arrows end at the worker */
    byId('room').style.height = AXIS + lanes.length * LANE + 'px';
}

/* -- The window: folded times that are seen, and pixels. -- */

const places = new Float64Array(rows.length);
const view = {from: 0, to: 1, width: 800, height: 400, top: 0};
const scale = () => (view.width - GUTTER) / (view.to - view.from);
const xOf = place => GUTTER + (place - view.from) * scale();
const placeOf = x => view.from + (x - GUTTER) / scale();
const middle = lane => lane.y + LANE / 2 - view.top;

function layPlaces() {
    rows.forEach((row, i) => { places[i] = fold(row[TIME]); });
    for (const bar of bars) {
        bar.from = fold(bar.begin);
        bar.to = fold(bar.end);
    }
}

function look(from, to) {
    const least = Math.min(100, end()), most = end() * 1.04;
    const size = clamp(to - from, least, most);
    const at = (from + to) / 2;
    view.from = clamp(at - size / 2, -.02 * end(), Math.max(1.02 * end() - size, -.02 * end()));
    view.to = view.from + size;
    redraw();
}
const zoom = (factor, at = (view.from + view.to) / 2) =>
    look(at - (at - view.from) / factor, at + (view.to - at) / factor);
const pan = part => look(view.from + part * (view.to - view.from), view.to + part * (view.to - view.from));
const fit = () => look(-.02 * end(), 1.02 * end());

function bringIntoView(i) {
    const lane = laneOf(i), stage = byId('stage');
    if (lane.actor >= 0 && !lane.head.open) {
        lane.head.open = true;
        layLanes();
    }
    if (places[i] < view.from || places[i] > view.to || xOf(places[i]) > view.width - 20) {
        const half = (view.to - view.from) / 2;
        look(places[i] - half, places[i] + half);
    }
    if (lane.y - stage.scrollTop < AXIS || lane.y + LANE - stage.scrollTop > stage.clientHeight)
        stage.scrollTop = lane.y - stage.clientHeight / 2;
}

/* -- Drawing. -- */

const round = x => Math.round(x * 10) / 10;
const firstAt = (list, place, at) => {
    let low = 0, high = list.length;
    while (low < high) {
        const half = (low + high) >> 1;
        if (at(list[half]) < place)
            low = half + 1;
        else
            high = half;
    }
    return low;
};

/* Boxes of a lane, those that touch each other as one. ranges: [x, x], in order. */
function boxes(ranges, y, height) {
    let path = '', from = NaN, to = NaN;
    const close = () => { if (!isNaN(from)) path += `M${round(from)} ${y}h${round(to - from)}v${height}h${round(from - to)}z`; };
    for (const [a, b] of ranges) {
        const right = Math.max(b, a + 1.6);
        if (a <= to + .4) {
            to = Math.max(to, right);
        } else {
            close();
            from = a;
            to = right;
        }
    }
    close();
    return path;
}

function drawBars(svg, lane) {
    const ranges = [], labels = [];
    const first = Math.max(0, firstAt(lane.bars, view.from, b => bars[b].from) - 1);
    for (let n = first; n < lane.bars.length && bars[lane.bars[n]].from <= view.to; n++) {
        const bar = bars[lane.bars[n]];
        const a = Math.max(xOf(bar.from), GUTTER), b = Math.min(xOf(bar.to), view.width);
        if (b < GUTTER)
            continue;
        ranges.push([a, b]);
        if (b - a > 34)
            labels.push([a, b, title(bar.row)]);
    }
    if (ranges.length > 0)
        draw(svg, 'path', {d: boxes(ranges, middle(lane) - 9, 18), class: 'bar ' + colour(lane.actor)});
    return labels;
}

const fits = (text, width) => {
    const most = Math.floor(width / 6.4);
    return text.length <= most ? text : most < 4 ? '' : text.slice(0, most - 1) + '…';
};

/* Where marks would touch each other they are thin lines; a begin, an end and a fault are always to be seen. */
function drawMarks(svg, lane) {
    const first = firstAt(lane.events, view.from, i => places[i]), found = {};
    const crowded = firstAt(lane.events, view.to, i => places[i]) - first > (view.width - GUTTER) / 14;
    let ticks = '', lastTick = -9;
    for (let n = first; n < lane.events.length && places[lane.events[n]] <= view.to; n++) {
        const i = lane.events[n], glyph = glyphOf(kind(i)), x = round(xOf(places[i]));
        const list = found[glyph] = found[glyph] || [];
        if (glyphs[glyph] === undefined || x - list[list.length - 1] < 4)
            continue;
        if (!crowded || glyph === 'birth' || glyph === 'end' || glyph === 'fault')
            list.push(x);
        else if (x - lastTick >= 2)
            ticks += `M${lastTick = x} ${middle(lane) - 4}v8`;
    }
    draw(svg, 'path', {d: ticks, class: 'tick'});
    for (const glyph in glyphs) {
        for (const x of found[glyph] || [])
            draw(svg, 'path', {d: glyphs[glyph], transform: `translate(${x} ${middle(lane)})`, class: glyphClass(glyph)});
    }
}

function arrowHead(x1, y1, x2, y2) {
    const length = Math.hypot(x2 - x1, y2 - y1) || 1, ux = (x2 - x1) / length, uy = (y2 - y1) / length;
    const bx = x2 - ux * 7, by = y2 - uy * 7;
    return `M${round(x2)} ${round(y2)}L${round(bx - uy * 3)} ${round(by + ux * 3)}L${round(bx + uy * 3)} ${round(by - ux * 3)}z`;
}

/* Ends of the arrow of the message that row i sends; null: it is not to be seen. */
function arrowOf(i) {
    const to = partner[i], a = laneOf(i), b = laneOf(to);
    if ((places[i] > view.to && places[to] > view.to) || (places[i] < view.from && places[to] < view.from))
        return null;
    const y1 = middle(a), y2 = middle(b);
    if (Math.max(y1, y2) < AXIS || Math.min(y1, y2) > view.height)
        return null;
    return [xOf(places[i]), y1, xOf(places[to]), y2];
}

function drawArrows(svg) {
    let lines = '', heads = '', count = 0, hidden = 0;
    const seen = new Set();
    for (let i = 0; i < rows.length; i++) {
        if (partner[i] <= i || (kind(i) !== 'send'))
            continue;
        const ends = arrowOf(i);
        if (ends === null)
            continue;
        const [x1, y1, x2, y2] = ends;
        const key = `${x1 >> 2},${y1},${x2 >> 2},${y2}`;
        if (seen.has(key))
            continue;
        if (count++ >= MOST_ARROWS) {
            hidden++;
            continue;
        }
        seen.add(key);
        lines += y1 === y2 ? `M${round(x1)} ${y1 - 8}Q${round((x1 + x2) / 2)} ${y1 - 16} ${round(x2)} ${y2 - 8}`
            : `M${round(x1)} ${y1}L${round(x2)} ${y2}`;
        if (y1 !== y2)
            heads += arrowHead(x1, y1, x2, y2);
    }
    draw(svg, 'path', {d: lines, class: 'arrow'});
    draw(svg, 'path', {d: heads, class: 'head'});
    byId('note').textContent = hidden > 0 ? 'Zoom in to see all arrows.' : '';
}

function drawMatches(svg) {
    let path = '', lastX = -9;
    for (const i of matches) {
        const x = xOf(places[i]), y = middle(laneOf(i));
        if (places[i] < view.from || places[i] > view.to || y < AXIS || y > view.height || (x - lastX < 2 && x > lastX))
            continue;
        lastX = x;
        path += `M${round(x - 2)} ${y - 12}h4v24h-4z`;
    }
    if (path !== '')
        draw(svg, 'path', {d: path, class: 'match'});
}

function drawChosen(svg) {
    if (chosen < 0)
        return;
    const i = partner[chosen] > chosen || partner[chosen] < 0 ? chosen : partner[chosen];
    const ends = partner[i] >= 0 ? arrowOf(i) : null;
    if (ends !== null) {
        const [x1, y1, x2, y2] = ends;
        draw(svg, 'path', {d: `M${round(x1)} ${y1}L${round(x2)} ${y2}`, class: 'chosen'});
        draw(svg, 'path', {d: arrowHead(x1, y1, x2, y2), class: 'chosenhead'});
    }
    if (places[chosen] >= view.from && places[chosen] <= view.to)
        draw(svg, 'circle', {cx: round(xOf(places[chosen])), cy: middle(laneOf(chosen)), r: 8, class: 'chosen', id: 'ring'});
}

/* Parts between pauses: [from, to] in time. */
function parts() {
    const list = [];
    let from = 0;
    for (const pause of folded ? pauses : []) {
        list.push([from, pause.from]);
        from = pause.to;
    }
    list.push([from, last]);
    return list;
}

function niceStep(least) {
    const power = 10 ** Math.floor(Math.log10(least));
    return [1, 2, 5, 10].map(n => n * power).find(n => n >= least);
}

/* Each part begins with its time; within it, times count from there. */
function drawAxis(svg) {
    const step = niceStep(Math.max(80 / scale(), 1));
    let free = GUTTER + 4;
    draw(svg, 'rect', {x: 0, y: 0, width: view.width, height: AXIS, class: 'panel'});
    const label = (x, text, name) => {
        if (x < free || x + text.length * 6.4 > view.width)
            return false;
        draw(svg, 'text', {x: round(x + 3), y: 16, class: name}, text);
        free = x + text.length * 6.4 + 12;
        return true;
    };
    let rules = '';
    for (const [from, to] of parts()) {
        if (fold(to) < view.from || fold(from) > view.to)
            continue;
        const x = xOf(fold(from));
        if (x >= GUTTER && label(x, duration(from), 'strong'))
            rules += `M${round(x)} 4V${view.height}`;
        const seen = Math.max(from, unfold(Math.max(view.from, 0)));
        for (let t = from + Math.ceil((seen - from) / step || 1) * step; t <= to && fold(t) <= view.to; t += step) {
            if (t > from && label(xOf(fold(t)), (from > 0 ? '+' : '') + duration(t - from), 'faint'))
                rules += `M${round(xOf(fold(t)))} 8V${view.height}`;
        }
    }
    draw(svg, 'path', {d: rules, class: 'rule', 'stroke-opacity': .7});
    draw(svg, 'path', {d: `M0 ${AXIS}.5H${view.width}`, class: 'rule'});
}

function drawPauses(svg) {
    const labels = [];
    for (const pause of folded ? pauses : []) {
        const a = xOf(fold(pause.from)), b = xOf(fold(pause.to));
        if (b < GUTTER || a > view.width)
            continue;
        const left = Math.max(a, GUTTER), y = Math.min(view.height, AXIS + lanes.length * LANE - view.top);
        draw(svg, 'rect', {x: round(left), y: AXIS, width: round(Math.max(b - left, .5)), height: y - AXIS, class: 'fold'});
        if (b - a > 13)
            labels.push([(a + b) / 2 + 4, (AXIS + y) / 2, 'nothing for ' + duration(pause.size, 1)]);
    }
    return labels;
}

function drawLane(svg, lane) {
    const y = lane.y - view.top;
    if (lane.actor < 0) {
        draw(svg, 'rect', {x: 0, y, width: view.width, height: LANE, class: 'stripe'});
        const ranges = [];
        for (let n = Math.max(0, firstAt(lane.awake, unfold(view.from), r => r[0]) - 1); n < lane.awake.length; n++) {
            const a = xOf(fold(lane.awake[n][0])), b = xOf(fold(lane.awake[n][1]));
            if (a > view.width)
                break;
            if (b >= GUTTER)
                ranges.push([Math.max(a, GUTTER), Math.min(b, view.width)]);
        }
        draw(svg, 'path', {d: boxes(ranges, middle(lane) - 4, 8), class: 'awake'});
    } else {
        draw(svg, 'path', {d: `M${GUTTER} ${middle(lane)}H${view.width}`, class: 'rule'});
    }
}

function drawName(svg, lane) {
    const y = lane.y - view.top;
    draw(svg, 'rect', {x: 0, y, width: GUTTER, height: LANE, class: lane.actor < 0 ? 'panel' : 'ground'});
    if (lane.actor < 0) {
        const name = lane.group.name.endsWith('outside') ? 'threads ' + lane.group.name : 'worker ' + lane.group.name;
        const more = lane.open ? '' : ' (' + lane.group.actors.length + ' actors)';
        draw(svg, 'text', {x: 10, y: middle(lane) + 4, class: 'strong'}, (lane.open ? '▾ ' : '▸ ') + name + more);
        return;
    }
    const actor = data.actors[lane.actor];
    draw(svg, 'rect', {x: 14, y: middle(lane) - 5, width: 8, height: 10, class: 'bar ' + colour(lane.actor)});
    draw(svg, 'text', {x: 28, y: middle(lane) + 4, class: 'class'}, fits(actor.class === null ? '(unknown)' : actor.class, 92));
    draw(svg, 'text', {x: GUTTER - 8, y: middle(lane) + 4, class: 'faint', 'text-anchor': 'end'}, actor.ref);
}

function measure() {
    const stage = byId('stage');
    if (!printing) {
        view.width = Math.max(stage.clientWidth, GUTTER + 100);
        view.height = Math.max(stage.clientHeight, 60);
        view.top = stage.scrollTop;
    }
}

let printing = false;
function drawAll() {
    measure();
    const svg = byId('drawing');
    svg.replaceChildren();
    svg.setAttribute('width', view.width);
    svg.setAttribute('height', view.height);
    svg.setAttribute('viewBox', `0 0 ${view.width} ${view.height}`);
    const seen = lanes.filter(lane => lane.y + LANE - view.top > AXIS && lane.y - view.top < view.height);
    seen.forEach(lane => drawLane(svg, lane));
    const pauseLabels = drawPauses(svg);
    drawMatches(svg);
    const labels = seen.map(lane => [lane, lane.actor >= 0 ? drawBars(svg, lane) : []]);
    drawArrows(svg);
    seen.forEach(lane => drawMarks(svg, lane));
    for (const [x, y, text] of pauseLabels)
        draw(svg, 'text', {class: 'faint', 'text-anchor': 'middle', transform: `translate(${round(x)} ${round(y)}) rotate(-90)`},
            text);
    for (const [lane, texts] of labels) {
        for (const [a, b, text] of texts)
            draw(svg, 'text', LANE < 40 ? {x: round(a + 5), y: middle(lane) + 4, class: 'onbar'}
                : {x: round(a), y: middle(lane) - 12, class: 'halo'}, fits(text, b - a - (LANE < 40 ? 8 : 0)));
    }
    drawChosen(svg);
    seen.forEach(lane => drawName(svg, lane));
    draw(svg, 'path', {d: `M${GUTTER}.5 0V${view.height}`, class: 'rule'});
    drawAxis(svg);
    draw(svg, 'rect', {x: 0, y: 0, width: GUTTER, height: AXIS, class: 'panel'});
    draw(svg, 'text', {x: 10, y: 16, class: 'faint'}, 'time since the first event');
    drawOverview();
}

/* How much happens when; and where the window is. */
function drawOverview() {
    const svg = byId('overview'), width = svg.clientWidth || view.width, height = 46;
    svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
    const counts = new Float64Array(Math.ceil(width / 2) + 1), found = new Set();
    const x = place => (place / end() * .96 + .02) * width;
    for (let i = 0; i < rows.length; i++)
        counts[x(places[i]) >> 1]++;
    matches.forEach(i => found.add(x(places[i]) >> 1));
    const most = Math.log1p(counts.reduce((a, b) => Math.max(a, b), 1));
    let path = '', yellow = '';
    counts.forEach((n, at) => {
        const h = n === 0 ? 0 : 3 + 34 * Math.log1p(n) / most;
        if (h > 0)
            path += `M${at * 2} ${height - 3}v${-round(h)}h1.6v${round(h)}z`;
    });
    found.forEach(at => { yellow += `M${at * 2 - 1} 2h4v6h-4z`; });
    svg.replaceChildren();
    draw(svg, 'path', {d: path, class: 'density'});
    draw(svg, 'path', {d: yellow, class: 'match'});
    const a = Math.max(x(view.from), 0), b = Math.min(x(view.to), width);
    draw(svg, 'rect', {x: round(a), y: 1, width: round(Math.max(b - a, 3)), height: height - 2, class: 'window'});
    svg.placeAt = at => (at / width - .02) / .96 * end();
}

/* -- The pointer and the keys. -- */

/* The row at a place of the drawing; -1: none. A bar is the row that begins it. */
function rowAt(x, y) {
    const lane = lanes.find(l => y >= l.y - view.top && y < l.y + LANE - view.top);
    if (x < GUTTER || y < AXIS || lane === undefined)
        return -1;
    const reach = 7 / scale(), place = placeOf(x);
    let best = -1;
    for (let n = firstAt(lane.events, place - reach, i => places[i]); n < lane.events.length; n++) {
        const i = lane.events[n], distance = Math.abs(places[i] - place);
        if (places[i] > place + reach)
            break;
        if (best < 0 || distance < Math.abs(places[best] - place))
            best = i;
    }
    const b = lane.bars[firstAt(lane.bars, place, n => bars[n].from) - 1];
    if (best < 0 && b !== undefined && bars[b].to >= place)
        best = bars[b].row;
    return best >= 0 ? best : arrowAt(x, y);
}

function arrowAt(x, y) {
    let best = -1, nearest = 5;
    for (let i = 0; i < rows.length; i++) {
        const ends = partner[i] > i ? arrowOf(i) : null;
        if (ends === null || ends[1] === ends[3])
            continue;
        const [x1, y1, x2, y2] = ends, part = (y - y1) / (y2 - y1);
        const distance = Math.abs(x1 + part * (x2 - x1) - x);
        if (part >= 0 && part <= 1 && distance < nearest) {
            nearest = distance;
            best = i;
        }
    }
    return best;
}

function step(n) {
    if (chosen < 0) {
        const inside = [...rows.keys()].find(i => places[i] >= view.from);
        choose(inside === undefined ? -1 : inside);
        return;
    }
    const lane = laneOf(chosen), at = lane.events.indexOf(chosen) + n;
    if (at >= 0 && at < lane.events.length)
        choose(lane.events[at]);
}

function stepLane(n) {
    if (chosen < 0)
        return step(0);
    for (let at = lanes.indexOf(laneOf(chosen)) + n; at >= 0 && at < lanes.length; at += n) {
        const list = lanes[at].events;
        if (list.length > 0) {
            choose(list[clamp(firstAt(list, places[chosen], i => places[i]), 0, list.length - 1)]);
            return;
        }
    }
}

function listen() {
    const stage = byId('stage'), svg = byId('drawing'), tip = byId('tip');
    let drag = null;
    const at = e => [e.clientX - svg.getBoundingClientRect().left, e.clientY - svg.getBoundingClientRect().top];
    stage.addEventListener('scroll', redraw);
    stage.addEventListener('wheel', e => {
        const scrolls = stage.scrollHeight > stage.clientHeight && !e.ctrlKey && !e.metaKey;
        if (Math.abs(e.deltaX) > Math.abs(e.deltaY) || e.shiftKey)
            pan((e.deltaX || e.deltaY) / 1000);
        else if (!scrolls)
            zoom(Math.exp(-e.deltaY / 300), placeOf(at(e)[0]));
        else
            return;
        e.preventDefault();
    }, {passive: false});
    svg.addEventListener('pointerdown', e => { drag = {x: e.clientX, from: view.from, to: view.to, moved: false}; });
    window.addEventListener('pointermove', e => {
        tip.hidden = true;
        if (drag !== null) {
            const by = (e.clientX - drag.x) / scale();
            drag.moved = drag.moved || Math.abs(e.clientX - drag.x) > 4;
            if (drag.moved)
                look(drag.from - by, drag.to - by);
        } else if (e.target === svg || svg.contains(e.target)) {
            const i = rowAt(...at(e));
            if (i < 0)
                return;
            tip.textContent = (rows[i][ACTOR] >= 0 ? actorName(rows[i][ACTOR]) + ': ' : '') + sentence(i);
            tip.hidden = false;
            tip.style.left = clamp(e.clientX + 12, 0, window.innerWidth - tip.offsetWidth - 8) + 'px';
            tip.style.top = clamp(e.clientY + 14, 0, window.innerHeight - tip.offsetHeight - 8) + 'px';
        }
    });
    window.addEventListener('pointerup', e => {
        const was = drag;
        drag = null;
        if (was === null || was.moved)
            return;
        const [x, y] = at(e);
        const head = lanes.find(l => l.actor < 0 && y >= l.y - view.top && y < l.y + LANE - view.top);
        if (x < GUTTER && head !== undefined && y > AXIS) {
            head.open = !head.open;
            layLanes();
            redraw();
        } else {
            choose(rowAt(x, y), false);
        }
    });
    const overview = byId('overview');
    const move = e => {
        const half = (view.to - view.from) / 2, place = overview.placeAt(e.offsetX);
        look(place - half, place + half);
    };
    overview.addEventListener('pointerdown', e => { overview.setPointerCapture(e.pointerId); move(e); });
    overview.addEventListener('pointermove', e => { if (e.buttons) move(e); });
    byId('closer').onclick = () => zoom(1.6);
    byId('wider').onclick = () => zoom(1 / 1.6);
    byId('fit').onclick = fit;
    const switchFold = byId('fold');
    switchFold.hidden = pauses.length === 0;
    switchFold.onclick = () => {
        folded = !folded;
        switchFold.setAttribute('aria-pressed', folded);
        layPlaces();
        fit();
    };
}

/* On paper: all lanes, as wide as the paper is. */
window.addEventListener('beforeprint', () => {
    printing = true;
    Object.assign(view, {width: 1100, height: AXIS + lanes.length * LANE, top: 0});
    drawAll();
});
window.addEventListener('afterprint', () => { printing = false; drawAll(); });
window.addEventListener('resize', layLanes);

const isShown = () => true;
layLanes();
layPlaces();
listen();
begin('Timeline', {
    ArrowLeft: () => step(-1), ArrowRight: () => step(1), ArrowUp: () => stepLane(-1), ArrowDown: () => stepLane(1),
    '+': () => zoom(1.6), '=': () => zoom(1.6), '-': () => zoom(1 / 1.6), '0': fit, a: () => pan(-.3), d: () => pan(.3),
});
legend([['send', 'sends'], ['birth', 'begins'], ['end', 'ends'], ['net', 'network'], ['fault', 'fails, dead letter'],
    ['other', 'something else']]);
legendItem('worker awake', svg => draw(svg, 'rect', {x: -9, y: -4, width: 18, height: 8, class: 'awake'}));
legendItem('a message', svg => {
    draw(svg, 'path', {d: 'M-8 5L6-4', class: 'arrow'});
    draw(svg, 'path', {d: arrowHead(-8, 5, 6, -4), class: 'head'});
});
showKeys([['← →', 'event before, behind'], ['↑ ↓', 'another lane'], ['+ −', 'zoom; also Ctrl and the wheel'],
    ['a d', 'to the left, to the right; also drag'], ['0', 'all'], ...commonKeys]);
layLanes(); /* the legend has taken its room */
fit();
