# syntax=docker/dockerfile:1
FROM python:3.12-slim AS build
WORKDIR /src
RUN python -m venv /opt/hangtag
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN /opt/hangtag/bin/pip install --no-cache-dir --no-compile '.[serve]'

FROM python:3.12-slim
RUN useradd --system --no-create-home --uid 10001 hangtag
COPY --from=build /opt/hangtag /opt/hangtag
ENV PATH=/opt/hangtag/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER hangtag
EXPOSE 5000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:5000/health', timeout=2)"]
# exec form: SIGTERM reaches the server, which finishes what it took
ENTRYPOINT ["hangtag", "serve", "--host", "0.0.0.0"]
