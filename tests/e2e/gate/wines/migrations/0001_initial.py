import django.db.models.deletion
from django.db import migrations, models


def key():
    return ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"))


def to(model):
    return models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to=f"wines.{model}")


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel("Vineyard", [key(), ("name", models.CharField(max_length=100))]),
        migrations.CreateModel("Wine", [key(), ("name", models.CharField(max_length=100)), ("vineyard", to("vineyard"))]),
        migrations.CreateModel("Note", [key(), ("text", models.TextField()), ("wine", to("wine"))]),
    ]
