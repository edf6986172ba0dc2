"""Pages as in Wagtail's tutorial: a blog, its posts with authors and pictures."""

from django.db import models
from modelcluster.fields import ParentalKey, ParentalManyToManyField
from wagtail.models import Orderable, Page
from wagtail.snippets.models import register_snippet


@register_snippet
class Author(models.Model):
    name = models.CharField(max_length=255)
    author_image = models.ForeignKey("wagtailimages.Image", null=True, on_delete=models.SET_NULL, related_name="+")

    def __str__(self):
        return self.name


class BlogIndexPage(Page):
    intro = models.TextField(blank=True)


class BlogPage(Page):
    body = models.TextField(blank=True)
    authors = ParentalManyToManyField(Author, blank=True)

    def main_image(self):
        item = self.gallery_images.first()
        return item.image if item else None


class BlogPageGalleryImage(Orderable):
    page = ParentalKey(BlogPage, on_delete=models.CASCADE, related_name="gallery_images")
    image = models.ForeignKey("wagtailimages.Image", on_delete=models.CASCADE, related_name="+")
    caption = models.CharField(blank=True, max_length=250)
