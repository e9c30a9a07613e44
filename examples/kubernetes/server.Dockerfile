# From the root of the repository: docker build -f examples/kubernetes/server.Dockerfile -t evenkeel-demo-server:dev .
FROM node:24-slim AS build
WORKDIR /app
COPY . .
# the code of proto/, by the tools of the repository …
RUN npx -y pnpm@12 install --frozen-lockfile --filter evenkeel-repo \
  && PATH="node_modules/.bin:$PATH" buf generate
# … and then nothing but what the program runs with; hoisted, so that the packages find their peers
RUN rm -rf node_modules \
  && npx -y pnpm@12 install --frozen-lockfile --prod --shamefully-hoist --filter-prod "@evenkeel/example-kubernetes..."

# The folders lie as in the repository: pnpm links the packages to their sources outside of node_modules, where Node
# strips the types.
FROM node:24-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/packages packages
COPY --from=build /app/examples/kubernetes examples/kubernetes
# a number, so that runAsNonRoot can tell
USER 1000:1000
EXPOSE 8080 8081
# node itself gets SIGTERM: npm and a shell would not pass it on
ENTRYPOINT ["node", "examples/kubernetes/src/server.ts"]
