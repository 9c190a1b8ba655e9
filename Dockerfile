FROM node:22-slim AS viewer
COPY .ci/ohif .
RUN sh ./ohif /opt/ohif

FROM python:3.11-slim AS build
WORKDIR /src
RUN python -m venv /opt/pacs
COPY requirements.lock .
RUN /opt/pacs/bin/pip install --no-cache-dir --disable-pip-version-check -r requirements.lock
COPY . .
RUN /opt/pacs/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps .

FROM python:3.11-slim
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin pacs \
    && install -d -o pacs -g pacs -m 0750 /data
COPY --from=build /opt/pacs /opt/pacs
COPY --from=viewer /opt/ohif /opt/ohif
ENV PATH=/opt/pacs/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PACS_DATA_DIR=/data \
    PACS_OHIF_DIR=/opt/ohif \
    PACS_HTTP=0.0.0.0:8080 \
    PACS_DIMSE=0.0.0.0:11112 \
    PACS_LOG_FORMAT=json
USER pacs
WORKDIR /data
VOLUME /data
EXPOSE 8080 11112 2762
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=10s --start-period=20s CMD ["pacs", "health"]
CMD ["pacs", "serve"]
