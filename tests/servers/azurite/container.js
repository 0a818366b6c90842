// Makes a container: the port of the server and the name are its arguments.
const { createHmac } = require('node:crypto');

const [port, name] = process.argv.slice(2);
const account = 'devstoreaccount1';
// The account and the key that every emulator has; they are no secret.
const key =
  'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';
const date = new Date().toUTCString();
const version = '2021-10-04';
const signed = [
  'PUT', ...Array(11).fill(''), `x-ms-date:${date}`, `x-ms-version:${version}`,
  `/${account}/${account}/${name}`, 'restype:container',
].join('\n');
const signature = createHmac('sha256', Buffer.from(key, 'base64')).update(signed).digest('base64');
const headers = {
  authorization: `SharedKey ${account}:${signature}`, 'x-ms-date': date, 'x-ms-version': version,
};
const url = `http://127.0.0.1:${port}/${account}/${name}?restype=container`;
fetch(url, { method: 'PUT', headers }).then(async (answer) => {
  if (answer.status !== 201) throw new Error(`${answer.status}: ${await answer.text()}`);
}).catch((error) => { console.error(error.message); process.exit(1); });
