# The shop of `make demo` in a container, for compose.yaml: a Django app with planted mistakes. No image for anything else.

FROM python:3.12-slim-bookworm
WORKDIR /demo
COPY tests/e2e/requirements.txt requirements.txt
RUN pip install --no-cache-dir -r requirements.txt && useradd --system --uid 10001 shop
COPY tests/e2e/shop tests/e2e/shop
COPY proxy-config/django proxy-config/django
WORKDIR /demo/tests/e2e/shop
USER 10001:10001
EXPOSE 8000
# Seeded once: the database outlives the container.
CMD ["sh", "-c", "python manage.py migrate --verbosity=0 && { python manage.py shell -c 'from shop.models import Book; exit(not Book.objects.exists())' || python manage.py seed; } && exec gunicorn project.wsgi --bind 0.0.0.0:8000 --worker-class gthread --threads 4"]
