// Posts what standard input says with Node's `fetch`, as docs/devices.md shows it; nothing of Tidings is here.
//
// A line is a request: {"json": ...} or {"body": BASE64}, each with "headers" if need be. For each a line
// {"status": ..., "answer": ...} goes out. A request is tried again until it is answered, also when there is nobody to
// answer.
//
// Usage: post.mjs URL
import { createInterface } from "node:readline";

const url = process.argv[2];

async function post(line) {
  const isJSON = line.json !== undefined;
  const request = {
    method: "POST",
    headers: { ...(isJSON && { "Content-Type": "application/json" }), ...line.headers },
    body: isJSON ? JSON.stringify(line.json) : Buffer.from(line.body, "base64"),
  };
  for (;;) {
    // Its answer may break off too, behind the head.
    const answer = await fetch(url, request)
      .then(async (answer) => ({ status: answer.status, after: answer.headers.get("retry-after"),
        answer: await answer.text() }))
      .catch(() => null);
    if (answer && answer.status !== 503) return answer;
    await new Promise((wake) => setTimeout(wake, 1000 * (answer?.after ?? 0.1)));
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const { status, answer } = await post(JSON.parse(line));
  process.stdout.write(JSON.stringify({ status, answer }) + "\n");
}
