/*
 * Looks at the pages of troupe-trace as a person does: node pictures.mjs CHROMIUM WHAT PAGE. WHAT is one of the functions
 * below. Ends with 1 and a sentence if something is not as it should be.
 */
import { Browser } from './browser.mjs';

const [program, what, page] = process.argv.slice(2);

function check(is, words) {
    if (!is)
        throw new Error(words);
}

async function find(browser, words) {
    await browser.press('/');
    await browser.value("document.getElementById('find').value = ''");
    await browser.type(words);
    return browser.text('#found');
}

/* The first match is chosen, and where it stands. */
async function chooseFound(browser) {
    await browser.press('Enter');
    await browser.press('Escape', undefined);
    return browser.place('#ring');
}

/* The picture differs from what it was, and is not of one colour. */
async function expectAnother(browser, before, words) {
    const after = await browser.picture();
    check(!after.equals(before), words + ' changes nothing that is to be seen');
    check(after.length > 8000, 'the picture is empty');
    return after;
}

const looks = {
    async timeline(browser) {
        let picture = await browser.picture();
        check((await find(browser, 'greeting')) === '4 found', 'the search does not find 4 rows with "greeting"');
        const [x, y] = await chooseFound(browser);
        check((await browser.text('#details')).includes('GREETING') === false, 'tags have no names in this trace');
        picture = await expectAnother(browser, picture, 'search');
        await browser.press('Escape', undefined);
        check((await browser.text('#details')).startsWith('Click'), 'Escape does not choose nothing');
        await browser.click(x, y);
        check((await browser.text('#details')).includes('greeting'), 'a click does not show the fields of an event');
        picture = await expectAnother(browser, picture, 'a click');
        await find(browser, 'message 0:1');
        await chooseFound(browser);
        check((await browser.text('#details')).startsWith('send'), 'the first event of a message is not its send');
        check((await browser.text('#details')).includes('1:8.4'), 'a send does not tell who receives');
        await browser.press('Enter');
        check((await browser.text('#details')).startsWith('receive'), 'Enter does not go to the end of the message');
        const span = () => browser.value('view.to - view.from'), all = await span();
        await browser.press('+');
        check(await span() < all, '+ does not zoom');
        picture = await expectAnother(browser, picture, 'zoom');
        await browser.wheel(x, y, -300, true);
        const [from] = await browser.value('[view.from]');
        await browser.drag(700, 300, 600, 300);
        check(await browser.value('view.from') !== from, 'dragging does not move the window');
        await browser.press('0');
        check(await span() >= all, '0 does not show all');
        const lanes = await browser.value('lanes.length');
        await browser.click(60, await browser.value("byId('drawing').getBoundingClientRect().top + lanes[0].y + 10"));
        check(await browser.value('lanes.length') < lanes, 'a click on a worker does not shut its lanes');
    },

    async seq(browser) {
        let picture = await browser.picture();
        check((await find(browser, 'greeting')) === '4 found', 'the search does not find 4 rows with "greeting"');
        const [x, y] = await chooseFound(browser);
        picture = await expectAnother(browser, picture, 'search');
        await browser.press('Escape', undefined);
        await browser.click(x, y);
        check((await browser.text('#details')).includes('greeting'), 'a click does not show the fields of an event');
        await browser.press('ArrowDown', undefined);
        picture = await expectAnother(browser, picture, 'a key');
        const columns = await browser.value('columns.length');
        await browser.clickOn('#actors input');
        check(await browser.value('columns.length') === columns - 1, 'an actor that is not wished is shown');
        await browser.clickOn('#others');
        check(await browser.value('lines.every(line => isMessage(line.row))'), 'other events are shown all the same');
    },

    /* All texts of a hostile trace stand there as they are, and none of them is obeyed. */
    async hostile(browser) {
        check(await browser.value('typeof obeyed') === 'undefined', 'a script of the trace has run');
        check(await browser.value("document.querySelectorAll('img, b i, body > script').length") === 3,
            'an element of the trace is in the page');
        const shown = await browser.value("data.actors.map(a => a.class).join('|')");
        check(shown.includes('</script><script>obeyed = 1</script>'), 'the name is not what it was: ' + shown);
        check(shown.includes('<!--<script>'), 'the name is not what it was: ' + shown);
        check((await browser.text('#drawing')).includes('<img src'), 'the name is not to be seen');
    },

    async many(browser) {
        check(await browser.value('rows.length') === 100000, 'not all rows are there');
        check((await find(browser, 'receive')) === '50,000 found', 'the search does not find all');
        await chooseFound(browser);
        await browser.press('0');
        check(await browser.value("document.querySelectorAll('#drawing *').length") < 5000, 'too much is drawn');
    },
};

const browser = new Browser(program);
try {
    const ms = await browser.open(page);
    console.log(`${what}: drawn after ${Math.round(ms)} ms`);
    await looks[what](browser);
    const paper = await browser.paper();
    check(paper.length > 3000, 'nothing comes out of the printer');
    await browser.open(page, { dark: true });
    check(browser.problems.length === 0, 'the page complains: ' + browser.problems[0]);
} catch (error) {
    console.log(`${what}: ${error.message}`);
    process.exitCode = 1;
} finally {
    await browser.close();
}
