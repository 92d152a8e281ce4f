// The page of account_server as a person has it: page.mjs PROGRAM BROWSER OUT_DIRECTORY SCRATCH
// Every wait is for a condition and fails after a time that is only there so that the test ends.

import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {openSync, readFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {join} from 'node:path';
import {createInterface} from 'node:readline';

const [program, browser_path, out, scratch] = process.argv.slice(2);
const {chromium} = createRequire(join(out, 'package.json'))('playwright-core');
const longest = 60_000;

// ---- the server ----

const bank = join(scratch, 'bank');
let server = null;
let url = '';

async function start_server(port) {
  const log = openSync(join(scratch, 'log'), 'a');
  server = spawn(program, [bank, '--port', String(port)], {stdio: ['ignore', 'pipe', log]});
  const [line] = await once(createInterface({input: server.stdout}), 'line');
  url = line.replace(/\/$/, '');
}

async function stop_server() {
  const ended = once(server, 'exit');
  server.kill('SIGTERM');
  const [status] = await ended;
  assert.equal(status, 0, 'the server ended as it should');
}

let keys = 0;
async function post(path, body) {
  const got = await fetch(url + path, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: {
      'Authorization': 'Bearer ' + readFileSync(join(bank, 'token'), 'utf8').trim(),
      'Content-Type': 'application/json',
      'Idempotency-Key': `test-${++keys}`,
    },
  });
  const answer = await got.json();
  assert.ok(got.ok, JSON.stringify(answer));
  return answer;
}

// ---- the page ----

const rows = page => page.$$eval('#rows tr', all => Object.fromEntries(all.map(
    row => [row.cells[0].textContent, row.cells[2].textContent.replaceAll(',', '')])));
const positions = page => page.$$eval('#events li', all => all.map(e => Number(e.dataset.position)));

// Waits until the page shows it. What it shows instead is in the message.
async function shows(what, read, wanted) {
  const until = Date.now() + longest;
  let got;
  do {
    got = await read();
    try {
      assert.deepEqual(got, wanted);
      return;
    } catch {
      await page.evaluate(() => new Promise(requestAnimationFrame));
    }
  } while (Date.now() < until);
  assert.deepEqual(got, wanted, what);
}
const wait = (page, condition, what) =>
  page.waitForFunction(condition, what, {timeout: longest});

// Only what the page says is the past at that event counts: a moment ago it showed another.
async function shows_past(page, at) {
  await wait(page, start => document.querySelector('#when').textContent.startsWith(start),
             `Past: after event ${at} of`);
  assert.deepEqual(await rows(page), {...not_yet, ...states[at]}, `the state after event ${at}`);
  assert.match(await page.locator('#h-balances').textContent(), new RegExp(` ${at}$`));
}

function numbers(from, to) {
  return Array.from({length: to - from + 1}, (_, i) => to - i);
}

const complaints = [];
const elsewhere = [];
function watch(page) {
  page.on('console', message => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', error => complaints.push(String(error)));
  page.on('request', request => {
    const to = new URL(request.url());
    if (to.protocol !== 'data:' && to.origin !== url) elsewhere.push(request.url());
  });
}
function no_complaints(allowed) {
  assert.deepEqual(complaints.splice(0).filter(text => !allowed?.test(text)), []);
}

async function no_sideways_scrolling(page) {
  const [has, is] = await page.evaluate(
      () => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  assert.ok(has <= is, `content is ${has} px wide on a screen of ${is}`);
}

async function tab_reaches_everything(page) {
  const wanted = await page.$$eval(
      'button:enabled, input:enabled, select:enabled, [tabindex="0"]', all => {
        document.activeElement.blur();
        return all.map((each, i) => each.dataset.reach = String(i));
      });
  const reached = new Set();
  for (let i = 0; i < wanted.length + 2; ++i) {
    await page.keyboard.press('Tab');
    const at = await page.evaluate(() => {
      const its = document.activeElement;
      const shown = getComputedStyle(its);
      return {id: its.dataset.reach, seen: its.matches(':focus-visible') &&
          shown.outlineStyle !== 'none' && parseFloat(shown.outlineWidth) >= 2};
    });
    if (at.id === undefined) continue;
    assert.ok(at.seen, 'the focus can be seen');
    reached.add(at.id);
  }
  assert.deepEqual([...reached].sort(), wanted.sort());
}

async function everything_has_a_name(page) {
  const nameless = await page.$$eval('button, input, select', all => all.filter(
      each => !each.textContent.trim() && !each.ariaLabel && !each.labels?.length)
      .map(each => each.id));
  assert.deepEqual(nameless, []);
}

let page;
const facts = [];
const fact = (text, check) => facts.push([text, check]);

// What each event left behind, by its position; test.sh of the example has the same by HTTP.
const states = [];
async function fill() {
  const now = {};
  const remember = (...changed) => {
    for (const each of changed) Object.assign(now, each);
    states.push({...now});
  };
  await post('/accounts', {account: 'ann'});
  remember({ann: '0'});
  await post('/accounts', {account: 'bob'});
  remember({bob: '0'});
  await post('/accounts/ann/deposit', {amount: 500});
  remember({ann: '500'});
  await post('/transfers', {from: 'ann', to: 'bob', amount: 200});
  remember({ann: '300', bob: '200'});
  remember();  // a transfer is two events that are never seen apart
  await post('/accounts', {account: 'carol'});
  remember({carol: '0'});
  for (let i = 0; i < 30; ++i) {
    await post('/accounts/carol/deposit', {amount: 10 + i});
    remember({carol: String(Number(now.carol) + 10 + i)});
  }
  await post('/accounts/bob/withdraw', {amount: 150});
  remember({bob: '50'});
}
const count = () => states.length;
const not_yet = {ann: '–', bob: '–', carol: '–'};

fact('an empty store is shown as one', async () => {
  const served = await page.goto(url + '/');
  assert.match(served.headers()['content-security-policy'], /default-src 'none'.*connect-src 'self'/);
  await wait(page, () => document.querySelector('#connection').textContent === 'live');
  assert.ok(await page.locator('#none').isVisible());
  assert.ok(await page.locator('#slider').isDisabled());
});

fact('events and balances follow without a reload', async () => {
  await page.evaluate(() => { window.same = true; });
  await fill();
  await shows('all events, the newest first', () => positions(page), numbers(0, count() - 1));
  await shows('the balances', () => rows(page), states.at(-1));
  assert.equal(await page.evaluate(() => window.same), true);
  assert.match(await page.locator('#events').textContent(), /ann sent 200 to bob/);
});

fact('plots have points, axes and units, and lag is told', async () => {
  await wait(page, () => document.querySelectorAll('#plot-sync .point').length >= 10 &&
                         document.querySelectorAll('#plot-commit .point').length >= 10 &&
                         document.querySelectorAll('#plot-lag .line').length === 2);
  for (const [id, unit] of [['sync', 'ms'], ['commit', 'records in one commit'],
                            ['lag', 'events behind']]) {
    const text = await page.locator(`#plot-${id} svg`).textContent();
    assert.ok(text.includes(unit), text);
  }
  await wait(page, () => /slowest reader .* is 0 behind.*balances are 0 behind/.test(
      document.querySelector('#p-lag').textContent));
});

fact('the slider, moved by keyboard, shows every past state exactly', async () => {
  await page.locator('#slider').focus();
  for (let at = count() - 2; at >= 0; --at) {
    await page.keyboard.press('ArrowLeft');
    await shows_past(page, at);
  }
  await page.keyboard.press('End');
  await shows('the last state', () => rows(page), states.at(-1));
  await page.keyboard.press('Home');
  await shows_past(page, 0);
});

fact('the past stays as it was while events arrive', async () => {
  await post('/accounts/ann/deposit', {amount: 1});
  states.push({...states.at(-1), ann: '301'});
  await shows('the new event', () => positions(page), numbers(0, count() - 1));
  await shows_past(page, 0);
  await page.locator('#now').press('Enter');
  await shows('the last state', () => rows(page), states.at(-1));
});

fact('Tab reaches everything, and everything has a name', async () => {
  await tab_reaches_everything(page);
  await everything_has_a_name(page);
});

fact('a command is sent from the form, and an error is shown as the server said it', async () => {
  no_complaints();
  const token = readFileSync(join(bank, 'token'), 'utf8').trim();
  await page.getByLabel('Token').fill(token);
  await page.getByRole('combobox', {name: 'Command'}).selectOption('transfer');
  await page.getByLabel('Account', {exact: true}).fill('carol');
  await page.getByLabel('To account').fill('ann');
  await page.getByLabel('Amount').fill('99');
  await page.keyboard.press('Enter');
  await wait(page, () => document.querySelector('#answer').textContent.startsWith('200 {'));
  const after = {...states.at(-1), ann: '400', carol: String(Number(states.at(-1).carol) - 99)};
  states.push(after, after);
  await shows('the balances', () => rows(page), states.at(-1));
  await page.getByLabel('Amount').fill('1000000');
  await page.keyboard.press('Enter');
  await wait(page, () => /^422 .*"error":"insufficient_balance".*"account":"carol"/.test(
      document.querySelector('#answer').textContent));
  no_complaints(/status of 422/);
  assert.equal(await page.evaluate(() => localStorage.length + sessionStorage.length), 0);
});

fact('a command whose answer was lost is sent again with its key, and done once', async () => {
  await page.route('**/transfers', async route => {
    await route.fetch();  // it is done
    await route.abort();
  }, {times: 1});
  await page.getByLabel('Amount').fill('1');
  await page.keyboard.press('Enter');
  await wait(page, () => document.querySelector('#answer').textContent.startsWith('No answer'));
  await page.locator('#send:enabled').press('Enter');
  await wait(page, () => /^200 .*"repeated":true/.test(
      document.querySelector('#answer').textContent));
  const after = {...states.at(-1), ann: '401', carol: String(Number(states.at(-1).carol) - 1)};
  states.push(after, after);
  await shows('the balances', () => rows(page), after);
  // The next one is another command, though it says the same.
  await page.locator('#send:enabled').press('Enter');
  await wait(page, () => /^200 .*"repeated":false/.test(
      document.querySelector('#answer').textContent));
  const next = {...after, ann: '402', carol: String(Number(after.carol) - 1)};
  states.push(next, next);
  await shows('the balances', () => rows(page), next);
  no_complaints(/net::ERR_/);
});

fact('a restarted server goes on with the events, none missing and none twice', async () => {
  const port = new URL(url).port;
  await stop_server();
  await wait(page, () => document.querySelector('#connection').dataset.state === 'lost');
  await page.screenshot({path: join(out, 'lost.png'), fullPage: true});
  await start_server(port);
  await post('/accounts/bob/deposit', {amount: 7});
  states.push({...states.at(-1), bob: '57'});
  await shows('all events once', () => positions(page), numbers(0, count() - 1));
  await wait(page, () => document.querySelector('#connection').textContent === 'live');
  await shows('the balances', () => rows(page), states.at(-1));
  assert.equal(await page.evaluate(() => window.same), true);
  no_complaints(/net::ERR_|status of 503/);  // of the time without a server
});

fact('more events than the page keeps: the past is there all the same', async () => {
  for (let i = 0; i < 600; i += 20) {
    await Promise.all(Array.from({length: 20}, () => post('/accounts/ann/deposit', {amount: 1})));
    for (let j = 0; j < 20; ++j) {
      states.push({...states.at(-1), ann: String(Number(states.at(-1).ann) + 1)});
    }
  }
  await page.reload();
  await shows('the balances', () => rows(page), states.at(-1));
  await page.locator('#slider').focus();
  await page.keyboard.press('Home');
  await shows_past(page, 0);
  for (let at = 1; at < 5; ++at) {
    await page.keyboard.press('ArrowRight');
    await shows_past(page, at);
  }
});

fact('accounts go over several pages', async () => {
  await page.locator('#now').press('Enter');
  for (let i = 10; i < 40; ++i) {
    await post('/accounts', {account: `dora-${i}`});
    states.push({});
  }
  await shows('a full page', async () => Object.keys(await rows(page)).length, 20);
  await page.locator('#more').press('Enter');
  await shows('the rest', async () => Object.keys(await rows(page)).length, 13);
  await page.locator('#first').press('Enter');
  await shows('the first page', async () => Object.keys(await rows(page))[0], 'ann');
  await page.locator('#slider').focus();
  await page.keyboard.press('ArrowLeft');
  await page.locator('#more').press('Enter');
  await shows('the rest, then', async () => {
    const then = await rows(page);
    return [Object.keys(then).length, then['dora-38'], then['dora-39']];
  }, [13, '0', '–']);
  await page.locator('#first').press('Enter');
  await page.locator('#now').press('Enter');
});

fact('a commit of several commands is seen as one', async () => {
  const several = async () => (await (await fetch(url + '/stats')).json()).log.commit_records.max > 1;
  for (let round = 0; round < 5 || !await several(); ++round) {
    assert.ok(round < 100, 'commands share no commit');
    await Promise.all(Array.from({length: 30}, (_, i) => post(`/accounts/dora-${i + 10}/deposit`,
                                                             {amount: 100 + i})));
  }
  await wait(page, () => [...document.querySelectorAll('#plot-commit .point')].some(
      (each, _, all) => each.height.baseVal.value > 1.9 * Math.min(
          ...all.map(other => other.height.baseVal.value))));
});

fact('a phone and the dark have it, too', async () => {
  await wait(page, () => document.querySelectorAll('#plot-sync .point').length >= 10);
  await page.screenshot({path: join(out, 'desktop.png'), fullPage: true});
  await page.emulateMedia({colorScheme: 'dark'});
  await page.locator('#earlier').press('Enter');
  await wait(page, () => document.querySelector('#when').textContent.startsWith('Past'));
  await page.screenshot({path: join(out, 'dark.png'), fullPage: true});

  const phone = await browser.newPage({
    viewport: {width: 390, height: 844}, deviceScaleFactor: 2, isMobile: true, hasTouch: true});
  watch(phone);
  await phone.goto(url + '/');
  await wait(phone, () => document.querySelectorAll('#plot-lag .line').length === 2 &&
                          document.querySelectorAll('#rows tr').length === 20);
  await no_sideways_scrolling(phone);
  await phone.locator('#earlier').tap();
  await wait(phone, () => document.querySelector('#when').textContent.startsWith('Past'));
  await phone.locator('#now').tap();
  await phone.screenshot({path: join(out, 'phone.png'), fullPage: true});
  await tab_reaches_everything(phone);
  await phone.setViewportSize({width: 360, height: 640});
  await no_sideways_scrolling(phone);
  await phone.close();
});

fact('nothing was asked of another host, and the console is empty', async () => {
  no_complaints();
  assert.deepEqual(elsewhere, []);
});

await start_server(0);
const browser = await chromium.launch({
  executablePath: browser_path,
  // It opens this page alone, and a container often has no room for a sandbox.
  args: ['--no-sandbox'],
});
let status = 0;
try {
  page = await browser.newPage({viewport: {width: 1280, height: 900}});
  page.setDefaultTimeout(longest);
  watch(page);
  for (const [text, check] of facts) {
    try {
      await check();
      console.log(`ok      ${text}`);
    } catch (error) {
      console.log(`FAILED  ${text}\n${error.stack}`);
      await page.screenshot({path: join(out, 'failed.png'), fullPage: true});
      status = 1;
      break;  // the facts build on each other
    }
  }
} finally {
  await browser.close();
  server.kill('SIGKILL');
}
process.exit(status);
