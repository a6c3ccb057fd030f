// Makes the three members one replica set, once: run by mongosh when they answer, and harmless to run again. Ends when one
// of them accepts writes, so that the containers that depend on it can start.

const members = ['mongo-1', 'mongo-2', 'mongo-3'].map((name, at) => ({ _id: at, host: `${name}:27017` }))

try {
  rs.status()
} catch (error) {
  if (error.codeName !== 'NotYetInitialized') throw error
  rs.initiate({ _id: 'pilotage', members })
}

const endMs = Date.now() + 120_000
while (!rs.status().members.some(({ stateStr }) => stateStr === 'PRIMARY')) {
  if (Date.now() > endMs) throw new Error('the replica set has no primary')
  sleep(500)
}
print('the replica set has a primary')
