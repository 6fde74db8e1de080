// A client on the TypeScript SDK: `typescript.mjs v1|v2 legacy|auto`. What to do is read from the standard input as
// JSON {packages, url, token} or {packages, command}, with {calls: [[tool, arguments], ...]}; what was seen is printed.
import { createRequire } from 'node:module';
import { text } from 'node:stream/consumers';

const [sdk, mode] = process.argv.slice(2);
const job = JSON.parse(await text(process.stdin));
const require = createRequire(`${job.packages}/package.json`);

function load() {
  if (sdk === 'v2') {
    return { ...require('@modelcontextprotocol/client'), ...require('@modelcontextprotocol/client/stdio') };
  }
  return {
    ...require('@modelcontextprotocol/sdk/client/index.js'),
    ...require('@modelcontextprotocol/sdk/client/streamableHttp.js'),
    ...require('@modelcontextprotocol/sdk/client/stdio.js'),
    ...require('@modelcontextprotocol/sdk/types.js'),
  };
}

const { Client, StreamableHTTPClientTransport, StdioClientTransport, ElicitRequestSchema } = load();
const options = { capabilities: { elicitation: {} } };
if (sdk === 'v2') options.versionNegotiation = { mode };
const client = new Client({ name: `typescript-${sdk}`, version: '1' }, options);
client.setRequestHandler(sdk === 'v2' ? 'elicitation/create' : ElicitRequestSchema, () => ({
  action: 'accept',
  content: {},
}));

const transport = job.url
  ? new StreamableHTTPClientTransport(new URL(job.url), {
      requestInit: { headers: { Authorization: `Bearer ${job.token}` } },
    })
  : new StdioClientTransport({ command: job.command[0], args: job.command.slice(1), env: process.env });
await client.connect(transport);

const tools = (await client.listTools()).tools.map((tool) => tool.name);
const prompts = (await client.listPrompts()).prompts.map((prompt) => prompt.name);
const resources = (await client.listResources()).resources.map((resource) => resource.uri);
const answers = [];
for (const [name, given] of job.calls) {
  const result = await client.callTool({ name, arguments: given });
  answers.push(result.content.map((block) => block.text ?? block.type).join('\n'));
}
const read = resources.length ? await client.readResource({ uri: resources[0] }) : null;
const protocol = client.getNegotiatedProtocolVersion?.() ?? transport.protocolVersion ?? null;
console.log(JSON.stringify({ protocol, tools, prompts, resources, answers, read: read?.contents.length ?? 0 }));
await client.close();
