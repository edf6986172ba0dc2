"""A shop of 40 products and 30 orders, and the pages to visit in it."""

import io
import random
from decimal import Decimal

from django.contrib.auth import get_user_model
from django.core.files.base import ContentFile
from django.urls import reverse
from oscar.apps.catalogue.models import Product, ProductCategory
from oscar.apps.catalogue.categories import create_from_breadcrumbs
from oscar.apps.catalogue.reviews.models import ProductReview
from oscar.apps.order.models import Order, OrderNote
from oscar.apps.partner.strategy import Default
from oscar.apps.wishlists.models import WishList
from oscar.core.loading import get_model
from oscar.test import factories
from PIL import Image


def seed():
    """Fill an empty database, the same each time."""
    random.seed(1)
    User = get_user_model()
    staff = User.objects.create_superuser("staff", "staff@example.com", "staff")
    customers = [User.objects.create_user(f"customer{n}", f"customer{n}@example.com", "x", first_name=f"C{n}") for n in range(12)]
    categories = [create_from_breadcrumbs(f"Group {n % 4} > Shelf {n}") for n in range(12)]
    products = []
    for n in range(40):
        product = factories.create_product(
            title=f"Product {n}",
            upc=f"upc-{n}",
            product_class=f"Class {n % 5}",
            partner_name=f"Partner {n % 6}",
            price=Decimal(5 + n),
            num_in_stock=100,
            attributes={"colour": f"colour {n}", "size": f"size {n}"},
        )
        ProductCategory.objects.create(product=product, category=categories[n % 12])
        ProductCategory.objects.create(product=product, category=categories[(n + 5) % 12])
        if n % 2:
            factories.create_product_image(product, original=picture(n))
        products.append(product)
    for n in range(4):
        parent = factories.create_product(title=f"Parent {n}", product_class="Class 0", structure="parent")
        ProductCategory.objects.create(product=parent, category=categories[n])
        for m in range(6):
            child = {"title": f"Child {n}-{m}", "upc": f"child-{n}-{m}", "parent": parent, "price": Decimal(9), "num_in_stock": 9}
            factories.create_product(product_class="Class 0", partner_name=f"Partner {m}", **child)
    for n, product in enumerate(products[:10]):
        products[0].recommended_products.through.objects.create(primary=products[20], recommendation=product, ranking=n)
        for m in range(3):
            words = {"title": f"Review {m}", "body": "Good.", "score": 1 + (n + m) % 5, "status": ProductReview.APPROVED}
            ProductReview.objects.create(product=product, user=customers[(n + m) % 12], **words)
    for n in range(30):
        basket = get_model("basket", "Basket").objects.create(owner=customers[n % 12])
        basket.strategy = Default()
        for m in range(1 + n % 7):
            basket.add_product(products[(n * 3 + m) % 40], 1 + m % 3)
        addresses = factories.ShippingAddressFactory(), factories.BillingAddressFactory()
        customer = customers[n % 12] if n % 3 else staff
        order = factories.create_order(str(1000 + n), basket, customer, *addresses[:1], billing_address=addresses[1])
        OrderNote.objects.create(order=order, user=staff, message="Seen.", note_type=OrderNote.SYSTEM)
    for n in range(12):
        factories.create_offer(
            name=f"Offer {n}", product_range=factories.RangeFactory(name=f"Range {n}", products=products[n : n + 5])
        )
        voucher = factories.VoucherFactory(name=f"Voucher {n}", code=f"CODE{n}")
        voucher.offers.add(factories.create_offer(name=f"Voucher offer {n}", offer_type="Voucher"))
    wishes = WishList.objects.create(owner=staff, name="Wishes")
    for product in products[:12]:
        wishes.add(product)
    for n in range(8):
        factories.UserAddressFactory(user=staff, line1=f"{n} High Street")


def picture(n):
    """A small image file."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (n * 5, 90, 90)).save(file, "PNG")
    return ContentFile(file.getvalue(), f"{n}.png")


def staff():
    """Who visits most pages."""
    return get_user_model().objects.get(username="staff")


# The pages that are visited with a basket: where there is one, every page of the shop computes all offers.
SHOPPER = {"shop-basket"}


def prepare(shopper):
    """A customer fills a basket before the pages are looked at."""
    shopper.force_login(get_user_model().objects.get(username="customer0"))
    for product in Product.objects.filter(upc__in=[f"upc-{n}" for n in range(30, 38)]):
        shopper.post(reverse("basket:add", args=[product.pk]), {"quantity": 1})


def pages():
    """Name and path of each page."""
    product, order = Product.objects.get(upc="upc-20"), Order.objects.get(number="1006")
    category = product.categories.first()
    offer = get_model("offer", "ConditionalOffer").objects.get(name="Offer 3")
    ranges = get_model("offer", "Range").objects.get(name="Range 3")
    voucher = get_model("voucher", "Voucher").objects.get(name="Voucher 3")
    wishes = WishList.objects.get()
    shop = [
        ("catalogue", "/catalogue/"),
        ("category", category.get_absolute_url()),
        ("product", product.get_absolute_url()),
        ("parent", Product.objects.filter(structure="parent").first().get_absolute_url()),
        ("reviews", reverse("catalogue:reviews-list", args=[Product.objects.get(upc="upc-1").slug, Product.objects.get(upc="upc-1").pk])),
        ("search", "/search/?q=Product"),
        ("basket", "/basket/"),
        ("offers", "/offers/"),
        ("offer", offer.get_absolute_url()),
        ("account-orders", "/accounts/orders/"),
        ("account-order", f"/accounts/orders/{order.number}/"),
        ("account-addresses", "/accounts/addresses/"),
        ("account-wishlists", "/accounts/wishlists/"),
        ("wishlist", reverse("wishlists:detail", args=[wishes.key])),
    ]
    dashboard = [
        ("dashboard", ""),
        ("catalogue", "catalogue/"),
        ("product", f"catalogue/products/{product.pk}/"),
        ("categories", "catalogue/categories/"),
        ("product-types", "catalogue/product-types/"),
        ("stock-alerts", "catalogue/stock-alerts/"),
        ("orders", "orders/"),
        ("order", f"orders/{order.number}/"),
        ("order-statistics", "orders/statistics/"),
        ("partners", "partners/"),
        ("users", "users/"),
        ("user", f"users/{staff().pk}/"),
        ("reviews", "reviews/"),
        ("offers", "offers/"),
        ("offer", f"offers/{offer.pk}/"),
        ("ranges", "ranges/"),
        ("range-products", f"ranges/{ranges.pk}/products/"),
        ("vouchers", "vouchers/"),
        ("voucher", f"vouchers/stats/{voucher.pk}/"),
    ]
    models = "catalogue/product catalogue/category catalogue/productattributevalue partner/stockrecord order/order order/line basket/basket"
    models += " basket/line offer/conditionaloffer reviews/productreview voucher/voucher"
    return (
        [(f"shop-{name}", path) for name, path in shop]
        + [(f"dashboard-{name}".removesuffix("-dashboard"), f"/dashboard/{path}") for name, path in dashboard]
        + [(f"admin-{name.replace('/', '-')}", f"/admin/{name}/") for name in models.split()]
    )
