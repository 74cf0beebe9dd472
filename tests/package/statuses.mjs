/*
 * The errors of a function are the same in its header, on the header's page and in the code:
 *   - a status that a header names is on its page in docs/api, and what the page lists as errors is in the header;
 *   - a status that a public function names in its own body is in its comment, or in that of a function to which the
 *     comment refers: "see tr_spawn()", "as tr_stop()";
 *   - a status that a header names is one of status.h.
 * Arguments: the sources, the public headers.
 */
import fs from 'node:fs';
import path from 'node:path';

const [sources, ...headers] = process.argv.slice(2);
if (headers.length === 0) {
    console.log('usage: statuses.mjs SOURCES HEADER... (ctest -R package-errors-are-named-alike gives them)');
    process.exit(2);
}
const STATUS = /\bTR_E(?!VENT|NCODING)[A-Z0-9_]+\b/g;
const LAYERS = ['core', 'actors', 'ipaddr', 'net'];
let failed = false;

function complain(text) {
    console.log(text);
    failed = true;
}

const read = (file) => fs.readFileSync(file, 'utf8');
const statusesOf = (text) => new Set(text.match(STATUS) ?? []);
const without = (one, other) => [...one].filter((element) => !other.has(element));

/* The comment of each function, with that of the group that it stands in. */
function functionsOf(text) {
    const found = new Map();
    let comment = '';
    for (const [piece] of text.matchAll(/\/\*[\s\S]*?\*\/|^[a-z][^;{}/]*?\btr_[a-z0-9_]+\([^;{]*\)(?=;|\n\{)|^\}/gm)) {
        if (piece.startsWith('/*'))
            comment = piece;
        else if (piece !== '}')
            found.set(piece.match(/\b(tr_[a-z0-9_]+)\(/)[1], comment);
    }
    return found;
}

/* A public function's own body. */
function bodiesOf(text) {
    return [...text.matchAll(/^(tr_[a-z0-9_]+)\([^;{]*\)\n\{\n([\s\S]*?)^\}/gm)].map(([, name, body]) => [name, body]);
}

function sourcesBelow(folder) {
    return fs.readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
        const file = path.join(folder, entry.name);
        return entry.isDirectory() ? sourcesBelow(file) : /\.[ch]$/.test(file) ? [file] : [];
    });
}

const texts = new Map(headers.map((header) => [header, read(header)]));
const comments = new Map([...texts.values()].flatMap((text) => [...functionsOf(text)]));
const general = [...texts].filter(([header]) => header.endsWith('/remote.h'))
    .map(([, text]) => text.split('#ifndef')[0]);
const code = LAYERS.flatMap((layer) => sourcesBelow(path.join(sources, layer)))
    .filter((file) => !headers.includes(file));
const known = statusesOf(texts.get(headers.find((header) => header.endsWith('/status.h'))));

/* What a function's comment names, with the functions to which it refers. */
function promised(name, seen = new Set()) {
    seen.add(name);
    const comment = comments.get(name) ?? '';
    const all = statusesOf(comment);
    if (name.startsWith('tr_remote_'))
        general.forEach((text) => statusesOf(text).forEach((status) => all.add(status)));
    for (const [, other] of comment.matchAll(/\b(tr_[a-z0-9_]+)\(\)/g))
        if (!seen.has(other) && comments.has(other))
            promised(other, seen).forEach((status) => all.add(status));
    return all;
}

for (const [header, text] of texts) {
    const name = path.basename(header, '.h');
    const page = path.join(sources, 'docs/api', `${name}.md`);
    if (name === 'status' || name === 'declare')
        continue;
    const inHeader = statusesOf(text), onPage = statusesOf(read(page));
    const listed = statusesOf(read(page).match(/\*\*Errors\.\*\*[\s\S]*?\n\n/)?.[0] ?? '');
    without(inHeader, onPage).forEach((status) => complain(`docs/api/${name}.md lacks ${status}, which ${name}.h names`));
    without(listed, inHeader).forEach((status) => complain(`${name}.h lacks ${status}, an error in docs/api/${name}.md`));
    without(inHeader, known).forEach((status) => complain(`${name}.h names ${status}, which is no status`));
}

let functions = 0;
for (const file of code)
    for (const [name, body] of bodiesOf(read(file)))
        if (comments.has(name)) {
            functions++;
            without(statusesOf(body), promised(name)).forEach((status) =>
                complain(`${path.relative(sources, file)}: ${name}() gives ${status}, which its header does not name`));
        }

console.log(`${functions} functions`);
process.exitCode = failed || functions < 150 ? 1 : 0;
