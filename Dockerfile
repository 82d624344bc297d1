# syntax=docker/dockerfile:1
# The operator as one bundled file, on a base without shell or package manager, run by an unprivileged user.
# `npm run pin:images` updates the digests of both bases. Other bases can be given as arguments:
# docs/operations.md#the-image
ARG BUILDER_IMAGE=docker.io/library/node:24.21.0-trixie-slim@sha256:173f125896c3b47ddf056734c7ea789d04595a6a08769a8f78e0df642781fb66
ARG RUNTIME_IMAGE=gcr.io/distroless/nodejs24-debian13:nonroot@sha256:9eeb7f5887d0e239e78264b06f7f11d2e14be534050481803a9e4728fcdd278e

# The bundle is the same for every platform: it is built once, on the platform of the builder.
FROM --platform=$BUILDPLATFORM ${BUILDER_IMAGE} AS builder
WORKDIR /build
COPY package.json package-lock.json ./
# The build needs no install scripts.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json THIRD_PARTY_LICENSES ./
COPY scripts/build.ts scripts/build.ts
COPY scripts/entry.ts scripts/entry.ts
COPY scripts/bundle/ scripts/bundle/
COPY scripts/supply-chain/ scripts/supply-chain/
COPY scripts/generators/page.ts scripts/generators/page.ts
COPY src/ src/
# `npm run build` for the operator only, on the Node of the base image.
RUN node scripts/build.ts --outfile dist/operator.mjs

FROM ${RUNTIME_IMAGE}
ARG RUNTIME_IMAGE
LABEL org.opencontainers.image.title="segmentation-operator" \
      org.opencontainers.image.description="Turns SegmentationProfiles into NetworkPolicies in every namespace that they select" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="${RUNTIME_IMAGE}"
# One heap for all threads: the C library makes more of them, and keeps what is free in each.
ENV NODE_ENV=production MALLOC_ARENA_MAX=1
WORKDIR /app
# The bundle, its bill of materials (operator.cdx.json), and the licences of the packages in it.
COPY --from=builder /build/dist/ ./
USER 65532:65532
EXPOSE 8080 8081
# Memory: a young generation of 8 MB from the start instead of one that grows to 32 MB, a heap that at most doubles between
# collections, one thread for V8's work in the background, less work for its compilers, whose memory is freed at once, and a
# collection after all is compared: docs/decisions/0036-node-settings.md.
ENTRYPOINT ["/nodejs/bin/node", "--min-semi-space-size=8", "--max-semi-space-size=8", "--heap-growing-percent=100", "--v8-pool-size=1", "--invocation-count-for-turbofan=12000", "--max-inlined-bytecode-size-cumulative=300", "--max-maglev-inlined-bytecode-size-cumulative=300", "--liftoff-only", "--no-maglev-destroy-on-background", "--expose-gc", "/app/operator.mjs"]
