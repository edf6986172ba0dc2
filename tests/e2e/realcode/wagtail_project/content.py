"""A site of 30 blog posts with pictures, and the pages to visit in it."""

import io

from django.contrib.auth.models import Group, User
from django.core.files.base import ContentFile
from django.core.files.images import ImageFile
from PIL import Image as Picture
from wagtail.contrib.redirects.models import Redirect
from wagtail.documents.models import Document
from wagtail.images.models import Image
from wagtail.models import Collection, Comment, Page, Site, Task, Workflow, WorkflowPage, WorkflowTask
from wagtail_project.models import Author, BlogIndexPage, BlogPage, BlogPageGalleryImage


def seed():
    """Fill an empty database, the same each time."""
    staff = User.objects.create_superuser("staff", "staff@example.com", "staff")
    users = [User.objects.create_user(f"editor{n}", f"editor{n}@example.com", "x") for n in range(10)]
    for each in users:
        each.groups.add(Group.objects.get(name="Editors"))
    collections = [Collection.get_first_root_node().add_child(name=f"Collection {n}") for n in range(8)]
    images = [
        Image.objects.create(title=f"Image {n}", file=picture(n), collection=collections[n % 8], uploaded_by_user=users[n % 10])
        for n in range(24)
    ]
    for n in range(16):
        file = ContentFile(b"text", f"{n}.txt")
        Document.objects.create(title=f"Document {n}", file=file, collection=collections[n % 8], uploaded_by_user=users[n % 10])
    for n, image in enumerate(images):
        image.tags.add(f"tag {n % 5}", f"tag {n % 7}")
    authors = [Author.objects.create(name=f"Author {n}", author_image=images[n]) for n in range(10)]
    index = BlogIndexPage(title="Blog", slug="blog")
    Page.objects.get(depth=2).add_child(instance=index)
    Site.objects.update(root_page=index)
    for n in range(30):
        post = BlogPage(title=f"Post {n}", body=f"Text {n}", owner=users[n % 10])
        index.add_child(instance=post)
        post.authors.set(authors[n % 10 : n % 10 + 2])
        for m in range(6 if n == 0 else 2):
            BlogPageGalleryImage.objects.create(page=post, image=images[(n + m) % 24], sort_order=m)
        post.save_revision(user=users[n % 10]).publish(user=staff)
        if n % 3 == 0:
            post.title += " again"
            post.save_revision(user=users[(n + 1) % 10])
        if n % 4 == 0:
            post.locked, post.locked_by = True, users[n % 10]
            post.save()
        Redirect.objects.create(old_path=f"/old/{n}", redirect_page=post, site=Site.objects.get())
        Comment.objects.create(page=post, user=users[n % 10], text="Hm.", contentpath="body", position="")
    for n in range(8):
        workflow = Workflow.objects.create(name=f"Workflow {n}")
        WorkflowTask.objects.create(workflow=workflow, task=Task.objects.first(), sort_order=0)
    moderation = Workflow.objects.first()
    WorkflowPage.objects.update_or_create(page=index, defaults={"workflow": moderation})
    for post in BlogPage.objects.order_by("pk")[1:16:2]:
        post.save_revision(user=staff)
        moderation.start(post, staff)


def picture(n):
    """A small image file."""
    file = io.BytesIO()
    Picture.new("RGB", (8, 8), (n * 5, 90, 90)).save(file, "PNG")
    return ImageFile(io.BytesIO(file.getvalue()), f"{n}.png")


def staff():
    """Who visits."""
    return User.objects.get(username="staff")


SHOPPER = set()


def prepare(_shopper):
    """Nothing to do before the pages are looked at."""


def pages():
    """Name and path of each page."""
    index, post = BlogIndexPage.objects.get(), BlogPage.objects.order_by("pk").first()
    site = [("site-index", "/"), ("site-post", f"/{post.slug}/")]
    api = [
        ("api-pages", "/api/v2/pages/"),
        ("api-pages-all", "/api/v2/pages/?type=wagtail_project.BlogPage&fields=*"),
        ("api-images", "/api/v2/images/?fields=*"),
        ("api-documents", "/api/v2/documents/?fields=*"),
    ]
    admin = [
        ("home", ""),
        ("explorer-root", "pages/"),
        ("explorer", f"pages/{index.pk}/"),
        ("explorer-reorder", f"pages/{index.pk}/?ordering=ord"),
        ("page-edit", f"pages/{post.pk}/edit/"),
        ("page-history", f"pages/{post.pk}/history/"),
        ("page-usage", f"pages/{post.pk}/usage/"),
        ("search", "pages/search/?q=Post"),
        ("chooser", "choose-page/"),
        ("chooser-children", f"choose-page/{index.pk}/"),
        ("images", "images/"),
        ("image-edit", f"images/{Image.objects.first().pk}/"),
        ("image-usage", f"images/usage/{Image.objects.first().pk}/"),
        ("image-chooser", "images/chooser/"),
        ("documents", "documents/"),
        ("snippets", "snippets/"),
        ("authors", "snippets/wagtail_project/author/"),
        ("users", "users/"),
        ("groups", "groups/"),
        ("group", f"groups/edit/{Group.objects.get(name='Editors').pk}/"),
        ("sites", "sites/"),
        ("collections", "collections/"),
        ("redirects", "redirects/"),
        ("workflows", "workflows/list/"),
        ("tasks", "workflows/tasks/index/"),
        ("report-locked", "reports/locked/"),
        ("report-workflow", "reports/workflow/"),
        ("report-tasks", "reports/workflow_tasks/"),
        ("report-history", "reports/site-history/"),
        ("report-aging", "reports/aging-pages/"),
        ("report-types", "reports/page-types-usage/"),
    ]
    return site + api + [(f"admin-{name}", f"/admin/{path}") for name, path in admin]
