# syntax=docker/dockerfile:1

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# The same script that CI runs: builds the static binary and tries it.
RUN ./scripts/docker-build-steps.sh /out/fenxiao && mkdir -m 700 /out/data && mkdir -m 1777 /out/tmp

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/fenxiao /fenxiao
COPY --from=build /out/tmp /tmp
# What a shop on one machine keeps: the SQLite file and the keys. Mount a volume here.
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
WORKDIR /data
VOLUME /data
ENV FENXIAO_HTTP_ADDR=:8080
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s CMD ["/fenxiao", "health", "--url", "http://127.0.0.1:8080/healthz"]
ENTRYPOINT ["/fenxiao"]
CMD ["serve"]
