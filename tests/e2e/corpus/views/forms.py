"""Forms: choices and validators."""

from django import forms
from django.shortcuts import render

from accounts.models import Member
from core.pages import page
from helpdesk.models import Category, Note, Tag, Ticket
from music.models import Genre
from stock.models import Movement, Product


class ProductField(forms.ModelChoiceField):
    def label_from_instance(self, product):
        return f"{product.name} of {product.supplier.name}"  # here: n_plus_one


class OrderForm(forms.Form):
    product = ProductField(Product.objects.filter(active=True, id__lt=25))


class JoinedOrderForm(forms.Form):
    product = ProductField(Product.objects.filter(active=True, id__lt=25).select_related("supplier"))


@page
def choices(request):
    """The label of each choice follows a foreign key."""
    return render(request, "form.html", {"form": OrderForm()})


@page
def choices_joined(request):
    return render(request, "form.html", {"form": JoinedOrderForm()})


class AssignForm(forms.Form):
    assignee = forms.ModelChoiceField(Member.objects.order_by("username"))


@page
def assign_many(request):
    """A formset whose forms each load the same choices."""
    return render(request, "formset.html", {"formset": forms.formset_factory(AssignForm, extra=6)()})


class SharedForm(forms.Form):
    assignee = forms.ChoiceField()

    def __init__(self, *args, members, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["assignee"].choices = members


@page
def assign_many_shared(request):
    members = [(member.pk, member.username) for member in Member.objects.order_by("username")]
    formset = forms.formset_factory(SharedForm, extra=6)(form_kwargs={"members": members})
    return render(request, "formset.html", {"formset": formset})


class TicketForm(forms.ModelForm):
    class Meta:
        model = Ticket
        fields = ["number", "title", "category", "assignee", "tags"]


@page
def ticket_form(request):
    """Three different drop-downs, loaded once each."""
    return render(request, "form.html", {"form": TicketForm()})


@page
def unique_fields(request):
    """Three forms that each check a field of their own for uniqueness."""
    names = []
    for model, field in ((Tag, "word"), (Category, "slug"), (Genre, "name")):
        form = forms.modelform_factory(model, fields=[field])({field: "quite-new"})
        names.append(form.is_valid())
    return names


class NoteForm(forms.ModelForm):
    class Meta:
        model = Note
        fields = ["token", "text"]


@page
def unique_in_formset(request):
    """Six new rows, each checked for uniqueness by Django itself."""
    forms_ = [NoteForm({"token": f"token-{n * 17 % 7}", "text": "x"}) for n in range(6)]
    return [form.is_valid() for form in forms_]


@page
def checked_by_hand(request):
    """A clean() that looks up the product of each line that the user sent."""
    lines = [(57, 2), (8, 1), (31, 9), (44, 3), (19, 5), (62, 1)]
    return [Movement.objects.filter(product_id=key, quantity__gt=count).exists() for key, count in lines]


@page
def valid_choices(request):
    """A bound form: one check for each chosen row, different tables."""
    form = TicketForm({"number": "T-0", "title": "x", "category": "topic-2", "assignee": "4", "tags": ["1", "2", "3", "4"]})
    return form.is_valid()
