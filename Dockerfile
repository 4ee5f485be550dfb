# Serves Cifra from the files that `make run` serves from; needs a volume on /data to keep its rows.
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOST=0.0.0.0 \
    PORT=5000 \
    DATA_DIR=/data

RUN useradd --system --uid 10001 --no-create-home cifra \
    && install --directory --owner=cifra --mode=700 /data

WORKDIR /srv/cifra
COPY requirements.txt requirements-train.txt constraints.txt ./
RUN python -m pip install --no-cache-dir --disable-pip-version-check -r requirements-train.txt
COPY config.py logging_config.py wsgi.py gunicorn.conf.py serve_granian.py ./
COPY serving serving
COPY app app
COPY migrations migrations
COPY models models

USER cifra
VOLUME /data
EXPOSE 5000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/readyz', timeout=4)"]
CMD ["python", "-m", "gunicorn"]
