// SPDX-License-Identifier: Apache-2.0
// Answers chat completions over HTTP/2, which the Python double does not speak:
//
//     node http2_server.mjs [KEY.pem CERTIFICATE.pem [refuse]]       with both: TLS, else plain
//
// With `refuse` it refuses the second stream. It prints its port, then, for each line on stdin, one line of JSON that says what it has seen so far.
import http2 from 'node:http2';
import fs from 'node:fs';
import readline from 'node:readline';

const [key, certificate, refuse] = process.argv.slice(2);
const seen = { sessions: 0, requests: 0, most_at_once: 0 };
let now = 0;

const server = key
        ? http2.createSecureServer({ key: fs.readFileSync(key), cert: fs.readFileSync(certificate) })
        : http2.createServer();
server.on('session', () => { seen.sessions++; });
server.on('stream', (stream, headers) => {
        seen.requests++;
        seen.most_at_once = Math.max(seen.most_at_once, ++now);
        stream.on('error', () => {});
        stream.on('close', () => { now--; });
        if (refuse && seen.requests === 2) {
                stream.close(http2.constants.NGHTTP2_REFUSED_STREAM);
                return;
        }
        stream.resume();
        stream.on('end', () => setTimeout(() => {
                if (stream.destroyed)
                        return;
                const good = headers[':path'] === '/v1/chat/completions';
                stream.respond({ ':status': good ? 200 : 404, 'content-type': 'application/json' });
                stream.end(JSON.stringify({
                        model: 'gpt-test',
                        choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: '{"x":2}' } }],
                        usage: { prompt_tokens: 3, completion_tokens: 4 },
                }));
        }, 50));
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
readline.createInterface({ input: process.stdin })
        .on('line', () => console.log(JSON.stringify(seen)))
        .on('close', () => process.exit(0));
