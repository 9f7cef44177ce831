# The bridge in a small image: one binary on Debian slim, not root, data under /data, pipelines of your own under /config.
# Both base images exist for amd64 and arm64; each platform builds natively or under emulation:
#   docker buildx build --platform linux/amd64,linux/arm64 -t hoymiles-smiles:latest .

FROM rust:1.95-slim-bookworm AS toolchain
WORKDIR /src
# Optimizing across crates takes minutes of each build, on a Raspberry Pi many, and gains a few percent.
ENV CARGO_PROFILE_RELEASE_LTO=false

# The manifests alone, with empty crate roots beside them. It is cheap to make, and its content changes only when
# a dependency or a crate does: so the next stage, which compiles every dependency, comes from the cache.
FROM toolchain AS manifests
COPY Cargo.toml Cargo.lock ./
COPY core core
COPY sources sources
COPY transforms transforms
COPY sinks sinks
COPY plugins plugins
COPY cli cli
RUN find core sources transforms sinks plugins cli -type f \
      ! -name Cargo.toml ! -name build.rs ! -path '*/src/lib.rs' ! -path '*/src/main.rs' ! -path '*/benches/*.rs' \
      -delete \
 && find core sources transforms sinks plugins cli -type d -empty -delete \
 && find . -name '*.rs' -exec sh -c 'for file; do echo "fn main() { }" > "$file"; done' sh {} +

FROM toolchain AS build
COPY --from=manifests /src ./
RUN cargo build --release --locked --package smiles --bin smiles
COPY core core
COPY sources sources
COPY transforms transforms
COPY sinks sinks
COPY plugins plugins
COPY cli cli
COPY pipelines pipelines
COPY migrations migrations
COPY web/dashboard web/dashboard
COPY web/docs web/docs
# A clock that shows an earlier time than the program's own is known to be wrong: give the commit's date.
ARG SOURCE_DATE_EPOCH
# Cargo goes by modification times, and a checkout may be older than the empty crate roots it replaces.
RUN find core sources transforms sinks plugins cli -name '*.rs' -exec touch {} + \
 && cargo build --release --locked --package smiles --bin smiles

FROM debian:bookworm-slim
LABEL org.opencontainers.image.title="Hoymiles S-Miles" \
      org.opencontainers.image.source="https://github.com/hoymiles-smiles/hoymiles-smiles" \
      org.opencontainers.image.licenses="MIT"
RUN groupadd --gid 10001 smiles \
 && useradd --uid 10001 --gid smiles --no-create-home --home-dir /data --shell /usr/sbin/nologin smiles \
 && install --directory --owner=smiles --group=smiles /data /config \
 && find / -xdev -type f -perm /6000 -exec chmod a-s {} +
# The authorities that the certificate of a database may be verified against.
COPY --from=toolchain /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /src/target/release/smiles /usr/local/bin/smiles
USER 10001:10001
WORKDIR /config
ENV DATA_DIR=/data
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=10s --start-period=40s --retries=3 CMD ["smiles", "health"]
ENTRYPOINT ["smiles"]
CMD ["run"]
