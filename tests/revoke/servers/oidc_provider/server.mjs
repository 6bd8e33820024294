// oidc-provider on loopback, for the tests. Arguments: the folder of node_modules, and the port.
//
// Clients, each with the secret `<name>-secret-of-the-tests`:
//   task      gets tokens by client_credentials, and refreshes them
//   revoker   introspects and revokes them (its policy below lets it; by default only `task` could)
//   resource  a resource server: introspects what it is shown
//   blind     may introspect nothing: the answer is always `active: false`
//   mute      may revoke nothing, and is answered 200 all the same
//
// POST /test/grant makes what a person's consent would make: a grant with an access and a refresh token.
import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';

const { default: Provider } = await import(pathToFileURL(`${process.argv[2]}/oidc-provider/lib/index.js`));
const client = (id, more) => ({
  client_id: id,
  client_secret: `${id}-secret-of-the-tests`,
  grant_types: ['client_credentials'],
  response_types: [],
  redirect_uris: [],
  ...more,
});
const server = createServer();
server.listen(Number(process.argv[3]), '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      client('task', {
        grant_types: ['client_credentials', 'authorization_code', 'refresh_token'],
        response_types: ['code'],
        redirect_uris: ['https://task.example/callback'],
      }),
      ...['revoker', 'resource', 'blind', 'mute'].map((id) => client(id)),
    ],
    scopes: ['openid', 'offline_access', 'deploy'],
    claims: { openid: ['sub'] },
    ttl: { ClientCredentials: 3600, AccessToken: 3600, RefreshToken: 86400, Grant: 86400 },
    findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    rotateRefreshToken: false,
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      userinfo: { enabled: true },
      introspection: { enabled: true, allowedPolicy: (ctx, asker) => asker.clientId !== 'blind' },
      revocation: {
        enabled: true,
        allowedPolicy: (ctx, asker, token) => asker.clientId === 'revoker' || asker.clientId === token.clientId,
      },
    },
  });
  provider.use(async (ctx, next) => {
    if (ctx.method !== 'POST' || ctx.path !== '/test/grant') return next();
    const task = await provider.Client.find('task');
    const grant = new provider.Grant({ accountId: 'ann', clientId: 'task' });
    grant.addOIDCScope('openid offline_access');
    const grantId = await grant.save();
    const fields = { accountId: 'ann', client: task, grantId, scope: 'openid offline_access', gty: 'authorization_code' };
    ctx.body = {
      grant_id: grantId,
      access_token: await new provider.AccessToken(fields).save(),
      refresh_token: await new provider.RefreshToken(fields).save(),
    };
    return undefined;
  });
  server.on('request', provider.callback());
});
// Ends with the tests, also if they are killed.
const parent = process.ppid;
setInterval(() => process.ppid !== parent && process.exit(0), 1000);
