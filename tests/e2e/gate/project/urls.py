from django.urls import path
from wines import views

urlpatterns = [
    path("wines/", views.wines, name="wines"),
    path("wines/<int:pk>/", views.wine, name="wine"),
    path("vineyards/", views.vineyards, name="vineyards"),
]
