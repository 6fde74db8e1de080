// A client of the config dialect as its product's own is: every call has a content type and a bearer token, every 2xx
// is parsed as JSON, everything else is an error with status and body. The job comes as JSON on the standard input:
// {url, token, viewer, mcp, command, args}. What each step found is printed; a step that fails ends it.
import assert from 'node:assert/strict';
import { text } from 'node:stream/consumers';

const job = JSON.parse(await text(process.stdin));

class ApiError extends Error {
  constructor(status, body) {
    super(`${status}: ${JSON.stringify(body)}`);
    this.status = status;
    this.body = body;
  }
}

function createClient({ baseUrl, token }) {
  const base = baseUrl.replace(/\/+$/, '');
  async function send(method, path, body) {
    const headers = { 'Content-Type': 'application/json' };
    if (token) headers.Authorization = `Bearer ${token}`;
    const response = await fetch(`${base}${path}`, { method, headers, body: body && JSON.stringify(body) });
    const parsed = await response.json().catch(() => null);
    if (!response.ok) throw new ApiError(response.status, parsed);
    assert.notEqual(parsed, null, `${method} ${path} answered ${response.status} without JSON`);
    return parsed;
  }
  return {
    health: () => send('GET', '/'),
    config: { get: () => send('GET', '/api/config'), update: (patch) => send('PATCH', '/api/config', patch) },
    mcpServers: {
      list: async () => (await send('GET', '/api/mcp-servers')).servers,
      add: (input) => send('POST', '/api/mcp-servers', input),
    },
    anything: (path) => send('GET', path),
  };
}

async function refused(work) {
  try {
    await work();
  } catch (error) {
    assert.ok(error instanceof ApiError, `${error}`);
    return { status: error.status, body: error.body };
  }
  throw new Error('it was not refused');
}

async function until(what, holds) {
  for (const end = Date.now() + 30_000; Date.now() < end; ) {
    const found = await what();
    if (holds(found)) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`it never came to pass: ${holds}`);
}

const done = [];
async function step(name, work) {
  await work();
  done.push(name);
}

const stranger = createClient({ baseUrl: job.url });
const client = createClient({ baseUrl: `${job.url}//`, token: job.token });
const one = async (id) => (await client.mcpServers.list()).find((server) => server.id === id);
const servers = async () => (await client.config.get()).mcpServers;

await step('health without a token', async () => {
  const health = await stranger.health();
  assert.deepEqual(Object.keys(health).sort(), ['auth', 'name', 'runtime', 'serverless', 'version']);
  assert.deepEqual(health.auth, { setup: true, authenticated: false });
  assert.equal(typeof health.serverless, 'boolean');
});
await step('health with one', async () => assert.equal((await client.health()).auth.authenticated, true));
await step('nothing without a token', async () => {
  const expected = { status: 401, body: { error: 'unauthorized' } };
  assert.deepEqual(await refused(() => stranger.mcpServers.list()), expected);
  assert.deepEqual(await refused(() => stranger.config.get()), expected);
  assert.deepEqual(await refused(() => stranger.config.update({ mcpServers: {} })), expected);
  assert.deepEqual(await refused(() => stranger.mcpServers.add({ command: job.command })), expected);
});
await step('an empty list', async () => assert.deepEqual(await client.mcpServers.list(), []));
await step('add one over its pipes', async () => {
  const local = { command: job.command, args: job.args, name: 'Local', enabled: true, requireApproval: false };
  const config = await client.config.update({ mcpServers: { local_one: local } });
  assert.deepEqual(config.mcpServers.local_one, { ...local, oauth: false });
});
await step('its tools come', async () => {
  const server = await until(() => one('local_one'), (found) => found.tools.length > 0);
  const { tools, ...rest } = server;
  const expected = { id: 'local_one', name: 'Local', type: 'stdio', enabled: true, requireApproval: false, error: null };
  assert.deepEqual(rest, expected);
  for (const tool of tools) {
    assert.ok(tool.id.startsWith('local_one_'), tool.id);
    assert.equal(typeof tool.name, 'string');
    assert.equal(typeof tool.description, 'string');
  }
});
await step('add one over HTTP, with every default', async () => {
  const config = await client.config.update({ mcpServers: { 'remote.two-b': { url: job.mcp } } });
  const defaults = { name: 'remote.two-b', enabled: true, requireApproval: true, oauth: false };
  assert.deepEqual(config.mcpServers['remote.two-b'], { url: job.mcp, ...defaults });
  const server = await until(() => one('remote.two-b'), (found) => found.tools.length > 0);
  assert.equal(server.type, 'http');
});
await step('disable, and the other one stays', async () => {
  const config = await client.config.update({ mcpServers: { local_one: { enabled: false } } });
  assert.equal(config.mcpServers.local_one.enabled, false);
  assert.equal(config.mcpServers.local_one.command, job.command);
  const server = await until(() => one('local_one'), (found) => !found.enabled);
  assert.deepEqual([server.tools, server.error], [[], null]);
  assert.ok((await one('remote.two-b')).tools.length > 0);
});
await step('enable again', async () => {
  await client.config.update({ mcpServers: { local_one: { enabled: true } } });
  await until(() => one('local_one'), (found) => found.tools.length > 0);
});
await step('headers, one by one', async () => {
  const headers = { 'X-One': '1', 'X-Two': '2' };
  await client.config.update({ mcpServers: { 'remote.two-b': { headers } } });
  assert.deepEqual(Object.keys((await servers())['remote.two-b'].headers), ['X-One', 'X-Two']);
  await client.config.update({ mcpServers: { 'remote.two-b': { headers: { 'X-One': null } } } });
  assert.deepEqual(Object.keys((await servers())['remote.two-b'].headers), ['X-Two']);
});
await step('a list is replaced whole', async () => {
  await client.config.update({ mcpServers: { local_one: { args: [...job.args, '--mark', '2'] } } });
  assert.deepEqual((await servers()).local_one.args, [...job.args, '--mark', '2']);
});
await step('a null inside of something new is left out', async () => {
  const config = await client.config.update({ mcpServers: { fresh: { url: job.mcp, name: null, enabled: false } } });
  assert.equal(config.mcpServers.fresh.name, 'fresh');
});
await step('what is invalid changes nothing', async () => {
  const before = await client.config.get();
  const patch = { mcpServers: { bad: { name: 'x' }, local_one: { enabled: false } } };
  const expected = { status: 400, body: { error: 'mcpServers.bad: Either command or url is required' } };
  assert.deepEqual(await refused(() => client.config.update(patch)), expected);
  assert.deepEqual(await client.config.get(), before);
  assert.equal((await one('local_one')).enabled, true);
});
let added;
await step('add by POST', async () => {
  const created = await client.mcpServers.add({ command: job.command, args: job.args, enabled: false });
  const { id, ...fields } = created;
  assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  const defaults = { name: id, enabled: false, requireApproval: true, oauth: false };
  assert.deepEqual(fields, { command: job.command, args: job.args, ...defaults });
  assert.ok(id in (await servers()));
  added = id;
});
await step('POST what is invalid', async () => {
  const { status, body } = await refused(() => client.mcpServers.add({ name: 'x' }));
  assert.equal(status, 400);
  assert.match(body.error, /^mcpServers\.[0-9a-f-]{36}: Either command or url is required$/);
});
await step('remove by null', async () => {
  const config = await client.config.update({ mcpServers: { [added]: null, fresh: null } });
  assert.deepEqual(Object.keys(config.mcpServers), ['local_one', 'remote.two-b']);
  await until(client.mcpServers.list, (found) => found.length === 2);
});
await step('who may only look changes nothing', async () => {
  const viewer = createClient({ baseUrl: job.url, token: job.viewer });
  const { status, body } = await refused(() => viewer.config.update({ mcpServers: { local_one: null } }));
  assert.deepEqual([status, typeof body.error], [403, 'string']);
  assert.ok('local_one' in (await viewer.config.get()).mcpServers);
});
await step('a wrong token', async () => {
  const wrong = createClient({ baseUrl: job.url, token: 'nobody' });
  assert.deepEqual(await refused(() => wrong.config.get()), { status: 401, body: { error: 'unauthorized' } });
  assert.equal((await wrong.health()).auth.authenticated, false);
});
await step('a path that is not there', async () => {
  const expected = { status: 404, body: { error: 'Not Found', path: '/api/threads' } };
  assert.deepEqual(await refused(() => client.anything('/api/threads')), expected);
});
await step('remove the last ones', async () => {
  for (const id of ['local_one', 'remote.two-b']) await client.config.update({ mcpServers: { [id]: null } });
  assert.deepEqual(await until(client.mcpServers.list, (found) => found.length === 0), []);
});
console.log(JSON.stringify(done));
