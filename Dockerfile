# Pilotage as an image: the sources run as they are, with the packages that the services need and no others.
# The command line of a process says its work: `serve --config /etc/pilotage/pilotage.yaml --data /data --role api`.
# No secret is in it. The signing key and the tokens lie in /data, accounts and certificates in files that the
# configuration names: all of them are mounted.

FROM node:24.21.0-bookworm-slim@sha256:0e0ff40c39bc087845bfb27465a0df4ea419520094bc35842ff83dd8cbe6f9b6 AS packages
WORKDIR /srv/pilotage
COPY package.json package-lock.json ./
COPY bin/link-node.mjs ./bin/
COPY services/api/http/node-programs.json ./services/api/http/
# No package's own script is run: none is needed to run Pilotage. Ours checks Node's digest.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund && node bin/link-node.mjs

FROM debian:12.12-slim@sha256:d5d3f9c23164ea16f31852f95bd5959aad1c5e854332fe00f7b3a20fcc9f635c
# Node is the one of the lock file, checked by its digest: it runs the services and is what VMs get.
ENV NODE_ENV=production PATH=/srv/pilotage/node_modules/.bin:$PATH
WORKDIR /srv/pilotage
# A fresh volume on /data begins as this directory is: closed, and its user's.
RUN useradd --uid 1000 --create-home pilotage && install -d -o 1000 -g 1000 -m 0700 /data
COPY --from=packages /srv/pilotage/node_modules ./node_modules
COPY package.json ./
COPY agents ./agents
COPY bin ./bin
COPY cli ./cli
COPY client ./client
COPY contextualization ./contextualization
COPY core ./core
COPY proto ./proto
COPY services ./services
COPY sim ./sim
# The user `pilotage`, by its number: it is visible from outside that this is not root.
USER 1000:1000
# gRPC, the page. The health port is for this container alone.
EXPOSE 7400 7401
ENTRYPOINT ["node", "--max-semi-space-size=16", "bin/pilotage.ts"]
CMD ["serve", "--config", "/etc/pilotage/pilotage.yaml", "--data", "/data"]
# The configuration has to say `health: { port: 7402 }`.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:7402/health').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
