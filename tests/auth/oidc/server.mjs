// An OpenID provider for tests (oidc-provider, over HTTPS, on a free port of 127.0.0.1).
//
//   node server.mjs '{"cert":…,"key":…,"redirects":[…],"inToken":true}'
//
// Prints one line {"port":…} when it listens. Reads lines: "rotate" makes new signing keys, and
// answers {"rotated":true}. Ends when its input does.
import { createServer } from 'node:https';
import { createInterface } from 'node:readline';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import Provider from 'oidc-provider';

const options = JSON.parse(process.argv[2]);

function keys() {
  const jwk = (type, parameters, alg) => ({
    ...generateKeyPairSync(type, parameters).privateKey.export({ format: 'jwk' }),
    alg, use: 'sig', kid: randomUUID(),
  });
  return { keys: [jwk('rsa', { modulusLength: 2048 }, 'RS256'), jwk('ec', { namedCurve: 'P-256' }, 'ES256')] };
}

const people = {
  alice: { name: 'Alice 王', email: 'alice@example.com', email_verified: true, groups: ['dev', 'ops*'] },
  mallory: { name: 'Mallory', email: 'alice@example.com', email_verified: false, groups: [] },
};

function provider(issuer) {
  return new Provider(issuer, {
    clients: ['RS256', 'ES256'].map((alg) => ({
      client_id: `bulwark-${alg}`,
      client_secret: 'the secret: of 100 % {client}',
      redirect_uris: options.redirects,
      response_types: ['code'],
      grant_types: ['authorization_code'],
      token_endpoint_auth_method: 'client_secret_basic',
      id_token_signed_response_alg: alg,
    })),
    jwks: keys(),
    cookies: { keys: [randomUUID()] },
    claims: { openid: ['sub'], profile: ['name'], email: ['email', 'email_verified'], groups: ['groups'] },
    scopes: ['openid', 'profile', 'email', 'groups'],
    conformIdTokenClaims: !options.inToken,
    pkce: { required: () => true, methods: ['S256'] },
    findAccount: (context, id) => people[id] && ({
      accountId: id, claims: () => ({ sub: id, ...people[id] }),
    }),
  });
}

let handler = (request, response) => response.end();
const server = createServer({ cert: options.cert, key: options.key }, (q, s) => handler(q, s));
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address();
  const start = () => { handler = provider(`https://127.0.0.1:${port}`).callback(); };
  start();
  createInterface({ input: process.stdin })
    .on('line', (line) => {
      if (line === 'rotate') { start(); console.log('{"rotated":true}'); }
    })
    .on('close', () => process.exit(0));
  console.log(JSON.stringify({ port }));
});
