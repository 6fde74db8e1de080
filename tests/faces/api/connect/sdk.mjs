// The official client of the connect dialect, unchanged: `sdk.mjs` reads a job as JSON from the standard input,
// {packages, base, connect, token, namespace, url, other}, makes every call that the dialect knows and prints what came.
import { createRequire } from 'node:module';
import { text } from 'node:stream/consumers';

const job = JSON.parse(await text(process.stdin));
const require = createRequire(`${job.packages}/package.json`);
const { Smithery } = require('@smithery/api');
const { createConnection } = require('@smithery/api/mcp');
const { Client } = require('@modelcontextprotocol/sdk/client/index.js');

let requests = 0;
const counted = (...given) => {
  requests += 1;
  return fetch(...given);
};
const options = { apiKey: job.token, baseURL: job.base, connectBaseURL: job.connect, fetch: counted };
const client = new Smithery(options);
const namespace = job.namespace;
const { connections } = client;

async function failure(call) {
  const before = requests;
  try {
    await call();
  } catch (error) {
    return { kind: error.constructor.name, status: error.status, body: error.error, requests: requests - before };
  }
  return null;
}

async function all(query) {
  const found = [];
  let cursor;
  do {
    const page = await connections.list(namespace, { ...query, ...(cursor && { cursor }) });
    found.push(page.connections.map((connection) => connection.connectionId));
    cursor = page.nextCursor;
  } while (cursor);
  return found;
}

async function spoken(options) {
  const { transport, connectionId, url } = await createConnection({ client, namespace, ...options });
  const spoke = new Client({ name: 'driver', version: '1' }, { capabilities: {} });
  await spoke.connect(transport);
  const tools = (await spoke.listTools()).tools.map((tool) => tool.name);
  const answer = await spoke.callTool({ name: 'add', arguments: { a: 2, b: 3 } });
  const version = spoke.getServerVersion() ?? null;
  await transport.terminateSession();
  await spoke.close();
  return { connectionId, url, tools, answer: answer.content[0].text, version };
}

const seen = {};
seen.health = await client.health.check();
seen.namespaces = [];
for await (const each of client.namespaces.list()) seen.namespaces.push(each.name);
seen.set_namespace = await client.namespaces.set(namespace);
seen.create_namespace = await failure(() => client.namespaces.create());
seen.delete_namespace = await failure(() => client.namespaces.delete(namespace));

seen.created = await connections.create(namespace, { mcpUrl: job.url, metadata: { userId: 'ada', level: 3 } });
seen.set = await connections.set('one', {
  namespace,
  mcpUrl: job.url,
  name: 'Number one',
  metadata: { userId: 'bob', admin: true },
  headers: { 'X-Api-Key': job.secret },
});
seen.got = await connections.get('one', { namespace });
seen.renamed = await connections.set('one', { namespace, name: 'The first' });
seen.same = await connections.set('one', { namespace, mcpUrl: job.url });
seen.conflict = await failure(() => connections.set('one', { namespace, mcpUrl: job.other }));
seen.unknown = await failure(() => connections.get('nobody', { namespace }));
seen.elsewhere = await failure(() => connections.list('elsewhere'));
seen.bad = await failure(() => connections.set('two', { namespace, mcpUrl: 'no address' }));

seen.listed = await all({});
seen.pages = await all({ limit: 1 });
seen.by_name = await all({ name: 'The first' });
seen.by_url = await all({ mcpUrl: job.url });
seen.by_text = await all({ 'metadata.userId': 'bob' });
seen.by_number = await all({ 'metadata.level': 3 });
seen.by_two = await all({ 'metadata.userId': 'bob', 'metadata.admin': true });
seen.by_none = await all({ 'metadata.admin': 'yes' });

if (connections.tools) {
  const { tools, triggers } = connections;
  seen.tools = (await tools.list('dotted', { namespace })).tools.map((tool) => tool.name);
  seen.tool = await tools.get('repo/search', { namespace, connectionId: 'dotted' });
  seen.category = (await tools.get('repo', { namespace, connectionId: 'dotted' })).tools.map((tool) => tool.name);
  seen.called = await tools.call('repo.search', { namespace, connectionId: 'dotted', body: { query: 'x' } });
  seen.added = await tools.call('add', { namespace, connectionId: 'one', body: { a: 1, b: 2 } });
  seen.no_tool = await failure(() => tools.get('absent', { namespace, connectionId: 'one' }));
  seen.triggers = await triggers.list('one', { namespace });
  seen.no_trigger = await failure(() => triggers.get('x', { namespace, connectionId: 'one' }));
} else {
  const body = { jsonrpc: '2.0', id: 7, method: 'tools/call', params: { name: 'add', arguments: { a: 1, b: 2 } } };
  const headers = { accept: 'application/json, text/event-stream' };
  seen.rpc = await connections.mcp.call('one', { namespace }, { body, headers });
}

seen.stateless = await spoken({ connectionId: 'one' });
seen.handshake = await spoken({ connectionId: 'one', handshake: true });
seen.made = await spoken({ mcpUrl: job.url });
seen.set_up = await spoken({ connectionId: 'fresh', mcpUrl: job.url });
seen.first_namespace = await createConnection({ client, connectionId: 'one' }).then((made) => made.url);

const token = await client.tokens.create({
  policy: [{ namespaces: [namespace], operations: ['read'], ttl: '10m' }],
});
const reader = new Smithery({ ...options, apiKey: token.token });
seen.token = { ...token, token: token.token.slice(0, 4) };
seen.reads = (await reader.connections.list(namespace)).connections.length;
seen.writes_not = await failure(() => reader.connections.delete('one', { namespace }));
seen.narrower = await failure(() => client.tokens.create({ policy: [{ metadata: { userId: 'ada' } }] }));
seen.stranger = await failure(() => new Smithery({ ...options, apiKey: 'wrong' }).connections.list(namespace));
seen.skills = await failure(() => client.skills.list());
seen.servers = await failure(() => client.servers.list());

seen.deleted = await connections.delete('one', { namespace });
seen.gone = await failure(() => connections.get('one', { namespace }));
console.log(JSON.stringify(seen));
