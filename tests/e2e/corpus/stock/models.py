"""Dense ascending ids everywhere, a column with a name of its own, a proxy, an abstract base, one big table."""

from django.db import models


class Stamped(models.Model):
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        abstract = True


class Supplier(Stamped):
    name = models.CharField(max_length=50)


class Product(Stamped):
    name = models.CharField(max_length=50)
    supplier = models.ForeignKey(Supplier, models.CASCADE, db_column="supp_no")
    price = models.DecimalField(max_digits=8, decimal_places=2)
    active = models.BooleanField(default=True)


class ActiveProduct(Product):
    class Meta:
        proxy = True


class Bin(models.Model):
    aisle = models.CharField(max_length=10)


class Movement(models.Model):
    product = models.ForeignKey(Product, models.CASCADE)
    from_bin = models.ForeignKey(Bin, models.CASCADE, related_name="outgoing")
    to_bin = models.ForeignKey(Bin, models.CASCADE, related_name="incoming")
    quantity = models.IntegerField()


class Reading(models.Model):
    """The big one."""

    sensor = models.IntegerField(db_index=True)
    at = models.DateTimeField()
    value = models.IntegerField()
    note = models.CharField(max_length=60)


class Document(models.Model):
    title = models.CharField(max_length=50)
    body = models.TextField()


class Job(models.Model):
    """A queue."""

    name = models.CharField(max_length=30)
    done = models.BooleanField(default=False)
